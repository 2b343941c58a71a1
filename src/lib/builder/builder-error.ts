/** A failure of the builder: its messages and its exit code are part of its contract (cloudfoundry/docker_app_lifecycle), not of Holdfast's table. */
import {type ErrorCode, HoldfastError} from '../core/errors.ts'

export class BuilderError extends HoldfastError {
  override readonly name = 'BuilderError'
  /** What stderr shows, line by line, and nothing else. */
  readonly lines: readonly string[]
  readonly #exitCode: 1 | 2

  /** @param plain its message, before the other lines. */
  constructor(exitCode: 1 | 2, plain: string, {cause, more = []}: {readonly cause?: unknown; readonly more?: readonly string[]} = {}) {
    const code: ErrorCode = cause instanceof HoldfastError ? cause.code : 'USAGE'
    const hints = cause instanceof HoldfastError ? cause.hints : []
    super(code, `cannot build: ${plain}`, {cause, hints})
    this.lines = [plain, ...more]
    this.#exitCode = exitCode
  }

  override get exitCode(): number {
    return this.#exitCode
  }
}
