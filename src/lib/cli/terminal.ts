/** What the process is connected to, looked at in one place. */

export interface Terminal {
  /** Lines of results. */
  readonly stdout: NodeJS.WritableStream
  /** Notes, warnings, progress, prompts and errors. */
  readonly stderr: NodeJS.WritableStream
  /** Standard output is a terminal: what it is sent, it obeys. */
  readonly showsResults: boolean
  /** Somebody sits there and can be asked. */
  readonly isInteractive: boolean
  /** Standard error is a terminal, so that a line may be redrawn. */
  readonly canRedraw: boolean
  /** Standard error takes colours. */
  readonly hasColour: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

/** Describes the terminal of this process. `CI`, `NO_COLOR` (no-color.org) and `FORCE_COLOR` count when they are not empty. */
export function createTerminal(streams: Pick<NodeJS.Process, 'stdin' | 'stdout' | 'stderr'>, environment: Environment): Terminal {
  const {stdin, stdout, stderr} = streams
  const isCi = Boolean(environment.CI) && environment.CI !== 'false'
  const isDumb = environment.TERM === 'dumb'
  return {
    stdout,
    stderr,
    showsResults: stdout.isTTY === true,
    isInteractive: stdin.isTTY === true && stderr.isTTY === true && stdout.isTTY === true && !isCi,
    canRedraw: stderr.isTTY === true && !isCi && !isDumb,
    hasColour: hasColour(stderr.isTTY === true && !isDumb, environment),
  }
}

function hasColour(isTerminal: boolean, {NO_COLOR, FORCE_COLOR}: Environment): boolean {
  if (FORCE_COLOR) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  return isTerminal && !NO_COLOR
}
