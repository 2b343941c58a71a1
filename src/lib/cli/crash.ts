/** Errors that no code caught: exceptions in callbacks, and rejections that nothing handles. Without this, Node prints a stack and the minified source. */
import {isWritten} from './standard-streams.ts'

/** How long the report of a crash may take. */
const REPORT_TIMEOUT_MS = 5000

/**
 * Lets `report` tell of the first such error and set the exit code; the process ends then. The function that was registered last reports.
 * Returns a function that takes it back.
 */
export function onCrash(report: (error: unknown) => void | Promise<void>): () => void {
  let isReporting = false
  const end = async (error: unknown): Promise<void> => {
    setTimeout(() => process.exit(), REPORT_TIMEOUT_MS)
    try {
      await report(error)
      await Promise.all([isWritten(process.stdout, ''), isWritten(process.stderr, '')])
    } finally {
      process.exit()
    }
  }
  const listener = (error: unknown): void => {
    if (isReporting || process.listeners('uncaughtException').at(-1) !== listener) return
    isReporting = true
    void end(error)
  }
  // Node raises a rejection that nothing handles as an uncaught exception.
  process.on('uncaughtException', listener)
  return () => process.off('uncaughtException', listener)
}
