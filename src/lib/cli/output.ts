/**
 * What a command says: results on stdout, everything else on stderr; with `--json` one envelope and nothing beside it.
 *
 * Everything shown is `TerminalText`: write text`…${value}…` for a line, escapeText(value) for a lone value. `printDocument` alone prints what it is given.
 */
import {escapeLines, escapeText, type TerminalText} from '../core/terminal-text.ts'
import {type ErrorBody, type ErrorReport, formatError} from './error-report.ts'
import {loadPaint} from './paint.ts'
import {assertWritten, isWritten} from './standard-streams.ts'
import type {Terminal} from './terminal.ts'

type SuccessEnvelope = {
  readonly ok: true
  readonly command: string
  readonly result: unknown
  readonly warnings: readonly string[]
}

type FailureEnvelope = {
  readonly ok: false
  readonly command: string
  readonly error: ErrorBody
  readonly result?: unknown
  readonly warnings: readonly string[]
}

export interface OutputOptions {
  readonly terminal: Terminal
  /** As people type it, for example `registry add`. */
  readonly command: string
  readonly json: boolean
  readonly quiet: boolean
  readonly debug: boolean
}

export class Output {
  readonly terminal: Terminal
  readonly #options: OutputOptions
  readonly #warnings: TerminalText[] = []
  #isAnswered = false

  constructor(options: OutputOptions) {
    this.terminal = options.terminal
    this.#options = options
  }

  /** Whether progress may be shown. */
  get showsProgress(): boolean {
    return !this.#options.json && !this.#options.quiet
  }

  /** A line of the result, for people. */
  print(line: TerminalText): void {
    if (!this.#options.json) this.terminal.stdout.write(`${line}\n`)
  }

  /** A document for other programs (a manifest, YAML, a script): exact in a pipe or a file, escaped line by line where a terminal would obey it. */
  printDocument(document: string | Uint8Array): void {
    if (this.#options.json) return
    if (!this.terminal.showsResults) this.terminal.stdout.write(document)
    else for (const line of documentLines(document)) this.terminal.stdout.write(`${line}\n`)
  }

  /** A remark beside the result. */
  note(line: TerminalText): void {
    if (this.showsProgress) this.terminal.stderr.write(`${line}\n`)
  }

  /** What somebody has to do before the command can go on: always on stderr. */
  instruct(lines: readonly TerminalText[]): void {
    this.terminal.stderr.write(lines.map((line) => `${line}\n`).join(''))
  }

  /** Something that went well and yet should be known; part of the envelope. */
  warn(message: TerminalText): void {
    this.#warnings.push(message)
    if (this.showsProgress) this.terminal.stderr.write(`Warning: ${message}\n`)
  }

  /** What only `--debug` shows. */
  trace(line: TerminalText): void {
    if (this.#options.debug) this.terminal.stderr.write(`${line}\n`)
  }

  /** Ends a command that succeeded; only the first answer counts, so that a server can answer when it is ready. */
  succeed(result: unknown): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    if (!this.#options.json) return
    this.terminal.stdout.write(this.#successEnvelope(result))
  }

  #successEnvelope(result: unknown): string {
    const envelope: SuccessEnvelope = {ok: true, command: this.#options.command, result, warnings: this.#warnings}
    return `${escapeText(JSON.stringify(envelope))}\n`
  }

  /**
   * Announces a server that is ready: its line, or the envelope, has left when this settles.
   * @throws {HoldfastError} STORAGE when standard output did not take it: programs that wait for the address would wait for ever.
   */
  async announce(line: TerminalText, result: unknown): Promise<void> {
    this.#isAnswered = true
    await assertWritten(this.terminal.stdout, this.#options.json ? this.#successEnvelope(result) : `${line}\n`)
  }

  /** Ends a command that failed. What standard output does not take is told on standard error. */
  async fail(report: ErrorReport): Promise<void> {
    if (!(await this.#failInEnvelope(report))) {
      const paint = await loadPaint(this.terminal.hasColour)
      this.terminal.stderr.write(`${formatError(report.body, paint, report.plain).join('\n')}\n`)
    }
    for (const line of report.trace) this.trace(line)
  }

  /** Tells whether there was an envelope to write, and it was taken. */
  async #failInEnvelope(report: ErrorReport): Promise<boolean> {
    const {json, command} = this.#options
    if (!json || this.#isAnswered) return false
    this.#isAnswered = true
    const result = report.result === undefined ? {} : {result: report.result}
    const envelope: FailureEnvelope = {ok: false, command, error: report.body, ...result, warnings: this.#warnings}
    return await isWritten(this.terminal.stdout, `${escapeText(JSON.stringify(envelope))}\n`)
  }
}

function documentLines(document: string | Uint8Array): readonly TerminalText[] {
  return escapeLines(typeof document === 'string' ? document : new TextDecoder().decode(document))
}
