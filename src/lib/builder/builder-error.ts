/** A failure of the builder: its message and its exit code are part of its contract (cloudfoundry/docker_app_lifecycle), not of Holdfast's table. */
import {type ErrorCode, HoldfastError} from '../core/errors.ts'

export class BuilderError extends HoldfastError {
  override readonly name = 'BuilderError'
  /** What stderr shows, and nothing else. */
  readonly plain: string
  readonly #exitCode: 1 | 2

  constructor(exitCode: 1 | 2, plain: string, cause?: unknown) {
    const code: ErrorCode = cause instanceof HoldfastError ? cause.code : 'USAGE'
    const hints = cause instanceof HoldfastError ? cause.hints : []
    super(code, `cannot build: ${plain}`, {cause, hints})
    this.plain = plain
    this.#exitCode = exitCode
  }

  override get exitCode(): number {
    return this.#exitCode
  }
}
