/** The end of a process whose command has ended: by itself, and at the latest by this. */

/** How long a process may go on behind its command, unless said. */
const LINGER_MS = 3_000

/**
 * Ends the process after `lingerMs` if something that was left open still keeps it then: what runs servers and jobs starts them anew only when they end. It says so on standard
 * error, since nothing should ever be left open; it keeps no process alive itself.
 */
export function endLingering({lingerMs = LINGER_MS}: {readonly lingerMs?: number} = {}): void {
  setTimeout(() => {
    const kinds = [...new Set(process.getActiveResourcesInfo().filter((kind) => kind !== 'TTYWrap' && kind !== 'PipeWrap'))]
    process.stderr.write(`holdfast: the command has ended and something is still open (${kinds.join(', ')}); please report it\n`)
    process.exit()
  }, lingerMs).unref()
}
