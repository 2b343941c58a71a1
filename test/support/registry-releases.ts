/** Releases of CNCF Distribution that the on-disk layout is held against: the installed one, and those that HOLDFAST_TEST_REGISTRIES names. */
import {basename, delimiter} from 'node:path'
import {findProgram} from './required-program.ts'
import {run} from './run-program.ts'

export interface RegistryRelease {
  readonly program: string
  /** As `--version` says it, for example `v3.1.1`. */
  readonly version: string
}

/** Programs apart from the installed one: 2.8.3 of a later Debian, or 3.x, where the machine has them. */
function otherRegistryPrograms(): readonly string[] {
  return (process.env.HOLDFAST_TEST_REGISTRIES ?? '').split(delimiter).filter((program) => program !== '')
}

/** Every release that can be run here; says loudly when the installed one is all. */
export async function registryReleases(): Promise<readonly RegistryRelease[]> {
  const others = otherRegistryPrograms()
  if (others.length === 0) {
    process.stderr.write(
      '\n    SKIPPED: docker-registry 2.8.3 and 3.x; HOLDFAST_TEST_REGISTRIES names their programs, separated as in PATH\n',
    )
  }
  const programs = [findProgram('docker-registry'), ...others].filter((program) => program !== undefined)
  return await Promise.all(
    programs.map(async (program) => {
      const {stdout, stderr} = await run(program, ['--version'])
      return {program, version: (stdout || stderr || basename(program)).trim().split(' ').at(-1) ?? program}
    }),
  )
}
