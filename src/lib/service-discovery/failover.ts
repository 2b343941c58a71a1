/** Using one of several instances: work is spread over them, and goes on with the next one when one is gone. */
import {type ErrorCode, HoldfastError} from '../core/errors.ts'
import {formatInstance, type InstanceSource, type RegistryInstance} from './instance.ts'

/** What another instance may do better. */
const INSTANCE_IS_GONE: readonly ErrorCode[] = ['NETWORK', 'TIMEOUT', 'REGISTRY_UNAVAILABLE', 'PLAIN_HTTP']

export interface SpreadOptions {
  /** A number from 0 up to 1: where to begin. */
  readonly random: () => number
  readonly signal?: AbortSignal | undefined
}

/**
 * Those that are there, from a random one on, so that many users spread over all.
 * @throws {HoldfastError} REGISTRY_UNAVAILABLE with the words `missing docker registry` when there is none; what the source throws.
 */
export async function findInstances(source: InstanceSource, {random, signal}: SpreadOptions): Promise<readonly RegistryInstance[]> {
  const found = await source.find(signal)
  if (found.length === 0) throw missingRegistry('find an instance', source)
  const start = Math.floor(random() * found.length)
  return [...found.slice(start), ...found.slice(0, start)]
}

/** What the stager says where there is no instance. */
export function missingRegistry(purpose: string, {description, emptyHints}: InstanceSource, hints: readonly string[] = []): HoldfastError {
  return new HoldfastError('REGISTRY_UNAVAILABLE', `cannot ${purpose}: missing docker registry in ${description}`, {
    hints: [...emptyHints, ...hints],
  })
}

/**
 * Does something with one instance, or the next when one is gone. When all of them are gone they are looked for once more: they may have moved meanwhile.
 * @throws {HoldfastError} the last failure, with `details.instances`; anything that is no instance's fault at once.
 */
export async function withFailover<Answer>(
  source: InstanceSource,
  options: SpreadOptions,
  attempt: (instance: RegistryInstance) => Promise<Answer>,
): Promise<Answer> {
  const tried = new Set<string>()
  let last: HoldfastError | undefined
  for (let round = 0; round < 2; round++) {
    for (const instance of await findInstances(source, options)) {
      const name = formatInstance(instance)
      if (tried.has(name)) continue
      tried.add(name)
      try {
        return await attempt(instance)
      } catch (error) {
        if (!(error instanceof HoldfastError) || !INSTANCE_IS_GONE.includes(error.code)) throw error
        last = error
      }
    }
  }
  const names = [...tried]
  throw new HoldfastError(
    last?.code ?? 'REGISTRY_UNAVAILABLE',
    `${last?.message ?? 'cannot reach an instance'}; tried ${names.join(', ')}`,
    {hints: last?.hints ?? [], details: {...last?.details, instances: names}, cause: last},
  )
}
