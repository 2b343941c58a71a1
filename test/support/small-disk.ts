/** A file system that is full after a few bytes. */
import {runOk} from './run-program.ts'

export interface SmallDisk {
  readonly path: string
  unmount(): Promise<void>
}

/** Mounts a tmpfs over a folder; only root may, for any other user the test is skipped and says so. */
export async function mountSmallDisk(test: Mocha.Context, path: string, sizeBytes: number): Promise<SmallDisk> {
  try {
    await runOk('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', path])
  } catch {
    process.stderr.write('\n    SKIPPED: only root may mount a small disk\n')
    test.skip()
  }
  return {
    path,
    unmount: async () => {
      await runOk('umount', [path])
    },
  }
}
