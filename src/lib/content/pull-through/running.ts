/** Questions that several clients ask at once, and that are asked once. */
import {HoldfastError} from '../../core/errors.ts'

interface Run<Answer> {
  readonly answer: Promise<Answer>
  readonly startedAtMs: number
}

export class Running<Answer> {
  readonly #runs = new Map<string, Run<Answer>>()

  /** The answer that is on its way, if there is one. */
  get(key: string): Promise<Answer> | undefined {
    return this.#runs.get(key)?.answer
  }

  /**
   * Asks, or waits for the same question that was asked before; no longer than until the question is `patienceMs` old, however it then goes on.
   * @throws {HoldfastError} TIMEOUT
   */
  async ask(key: string, ask: () => Promise<Answer>, patienceMs?: number): Promise<Answer> {
    const {answer, startedAtMs} = this.#runs.get(key) ?? this.#start(key, ask)
    if (patienceMs === undefined) return await answer
    const late = new HoldfastError('TIMEOUT', `nothing in ${patienceMs / 1000} s`)
    return await within(answer, startedAtMs + patienceMs - performance.now(), late)
  }

  #start(key: string, ask: () => Promise<Answer>): Run<Answer> {
    const answer = ask().finally(() => this.#runs.delete(key))
    const run = {answer, startedAtMs: performance.now()}
    this.#runs.set(key, run)
    return run
  }
}

async function within<Answer>(answer: Promise<Answer>, ms: number, failure: HoldfastError): Promise<Answer> {
  const {promise: late, reject} = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(failure), Math.max(0, ms))
  // It goes on, and nothing waits for it.
  answer.catch(() => {})
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
