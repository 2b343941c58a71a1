/** The frame of every command: global flags, one context, one way to answer and one way to fail. */
import {Command} from '@oclif/core/command'
import type {Input, ParserOutput} from '@oclif/core/interfaces'
import {HalfDoneError, interrupted} from '../core/errors.ts'
import {escapeText} from '../core/terminal-text.ts'
import {Context} from './context.ts'
import {onCrash} from './crash.ts'
import {type ErrorReport, reportError} from './error-report.ts'
import {GLOBAL_FLAGS, type GlobalFlags} from './global-flags.ts'
import {type Interruption, listenForSignals} from './interruption.ts'
import {Output} from './output.ts'
import {InterruptedPartway, type Leftover} from './partial-failure.ts'
import {createPrompts, type Prompts} from './prompts.ts'
import {type GivenFlag, keepGivenFlags} from './repeated-command.ts'
import type {SettingFlags} from './settings.ts'
import {createTerminal} from './terminal.ts'
import type {AccessFlags} from './transfer-flags.ts'
import {isInterruption} from './usage-error.ts'

type Values = Record<string, unknown>

/** What `run` resolves to is the `result` of the envelope. */
export abstract class BaseCommand<Result extends object> extends Command {
  static override readonly baseFlags = GLOBAL_FLAGS
  #output: Output | undefined
  #interruption: Interruption | undefined
  readonly #overdue = Promise.withResolvers<never>()
  #context: Context | undefined
  #leftover: (() => Leftover) | undefined
  #givenFlags: readonly GivenFlag[] = []

  abstract override run(): Promise<Result>

  /** Says things; by the flags as they stand on the command line, so that it works before and without parsing. */
  protected get output(): Output {
    this.#output ??= new Output({
      terminal: createTerminal(process, process.env),
      command: (this.id ?? '').replaceAll(':', ' '),
      json: this.jsonEnabled(),
      quiet: this.#isSet('quiet') || this.argv.includes('-q'),
      debug: this.#isSet('debug'),
    })
    return this.#output
  }

  /** Asks things. */
  protected get prompts(): Prompts {
    const {terminal} = this.output
    return createPrompts({...terminal, isInteractive: terminal.isInteractive && this.output.showsProgress})
  }

  /** Opens the context of this run; SIGINT and SIGTERM are its `signal` from now on. */
  protected openContext(flags: GlobalFlags & AccessFlags & SettingFlags): Context {
    if (this.#interruption === undefined) {
      this.#interruption = listenForSignals()
      this.#interruption.overdue.catch(this.#overdue.reject)
    }
    this.#context ??= new Context({
      flags,
      environment: process.env,
      output: this.output,
      signal: this.#interruption.signal,
      userAgent: `holdfast/${this.config.version}`,
    })
    return this.#context
  }

  /** States what stays if a signal ends the command from now on. It is asked then, so that it can be true at any moment; the last statement holds. */
  protected readonly leaves = (describe: () => Leftover): void => {
    this.#leftover = describe
  }

  protected override async init(): Promise<void> {
    await super.init()
    // Standard input is for secrets and documents: oclif would take it for an argument that is missing.
    for (const arg of Object.values(this.ctor.args)) arg.ignoreStdin = true
  }

  /** oclif gives the variable of a repeatable flag as one text, which would pass for a list of its characters. */
  protected override async parse<F extends Values, B extends Values, A extends Values>(
    options?: Input<F, B, A>,
    argv?: string[],
  ): Promise<ParserOutput<F, B, A>> {
    const parsed = await super.parse(options, argv)
    const values: Record<string, unknown> = parsed.flags
    const defined = {...this.ctor.baseFlags, ...this.ctor.flags}
    this.#givenFlags = parsed.raw.flatMap((token) => {
      if (token.type !== 'flag') return []
      const {flag: name, input} = token
      const {type, exclusive = []} = defined[name] ?? {}
      const others = exclusive.filter((other) => typeof other === 'string')
      return [type === 'option' ? {name, value: input, exclusive: others} : {name, isNegated: input.startsWith('--no-'), exclusive: others}]
    })
    for (const [name, flag] of Object.entries(defined)) {
      const value = values[name]
      if (flag.type === 'option' && flag.multiple === true && typeof value === 'string')
        values[name] = value.split(flag.delimiter ?? ',').filter((part) => part !== '')
    }
    return parsed
  }

  override jsonEnabled(): boolean {
    return this.#isSet('json')
  }

  protected override async _run<T>(): Promise<T> {
    let result: Result | undefined
    const settle = onCrash(async (error) => await this.output.fail(this.#report(error)))
    try {
      await this.init()
      // A command that does not end when it is told to is not waited for.
      result = await Promise.race([this.run(), this.#overdue.promise])
      await this.#context?.close()
      this.output.succeed(result)
    } catch (error) {
      await this.#fail(error)
    } finally {
      settle()
      this.#interruption?.release()
    }
    return result as T
  }

  async #fail(error: unknown): Promise<void> {
    // oclif ends `--help` and `--version` this way.
    if (error instanceof Error && 'code' in error && error.code === 'EEXIT') throw error
    const report = this.#report(error)
    await this.#context?.close().catch((closing: unknown) => this.output.trace(escapeText(String(closing))))
    await this.output.fail(report)
  }

  /** Describes why the command failed, and sets the exit code of the process. */
  #report(error: unknown): ErrorReport {
    const isStopped = this.#interruption?.signal.aborted === true || isInterruption(error)
    const report = reportError(isStopped ? this.#stopped(error) : error, this.id)
    process.exitCode = report.exitCode
    const command = (this.id ?? '').replaceAll(':', ' ')
    const hints = report.body.hints.map((hint) => keepGivenFlags(hint, command, this.#givenFlags))
    return {...report, body: {...report.body, hints}}
  }

  /** What a signal's end is told as. An error that says what is left half done knows more than the command does. */
  #stopped(error: unknown): unknown {
    const leftover = this.#leftover?.()
    if (error instanceof HalfDoneError) return new InterruptedPartway({...leftover, left: error.message, hints: error.hints}, error.details)
    return leftover === undefined ? interrupted() : new InterruptedPartway(leftover)
  }

  /** By flag before `--`, or by its variable. */
  #isSet(flag: 'json' | 'quiet' | 'debug'): boolean {
    const end = this.argv.indexOf('--')
    const flags = end < 0 ? this.argv : this.argv.slice(0, end)
    return flags.includes(`--${flag}`) || isTruthy(process.env[`HOLDFAST_${flag.toUpperCase()}`])
  }
}

/** As oclif reads the variable of a flag without a value. */
function isTruthy(text: string | undefined): boolean {
  return ['1', 'true', 'yes', 'y'].includes(text?.toLowerCase() ?? '')
}
