/**
 * Proves that what is at the URL of a managed registry trusts this collector: it asks for tokens of the registry's service, and takes one that was signed here. A
 * user who declares a registry that belongs to others cannot make it do so. Nothing but a token without rights is sent there before.
 */
import {HoldfastError} from '../core/errors.ts'
import type {ManagedRegistry} from './objects.ts'
import {createMint, type OwnTokenOptions} from './own-tokens.ts'
import {isProven} from './registry-place.ts'
import type {CollectorStore} from './store.ts'
import {checkChallenge, checkToken, type ProbeRegistry} from './trust-check.ts'

/** A registry that has just failed is asked again after this time. */
const AGAIN_MS = 10_000
const SERVER_ERROR = 500

export interface ProofOptions extends OwnTokenOptions {
  readonly store: Pick<CollectorStore, 'markProven'>
  /** Opens a registry for single requests. */
  readonly openProbe: (registry: ManagedRegistry) => Promise<ProbeRegistry>
}

/**
 * Asks a registry, and records what it proves. A proof stays while the registry does not respond, and ends when something else is at its URL.
 * @throws {HoldfastError} CONFIGURATION when it has proven nothing, with what is wrong; NETWORK, TIMEOUT, TLS when a registry that never proved anything does not respond.
 */
export async function proveRegistry(registry: ManagedRegistry, options: ProofOptions): Promise<void> {
  if (isProven(registry) && registry.provenAt === undefined) return
  const {store, openProbe, issuer, now} = options
  let isDown = false
  try {
    const asked = await openProbe(registry)
    const probe: ProbeRegistry = async (path, token) => {
      const answer = await asked(path, token)
      isDown ||= answer.status >= SERVER_ERROR
      return answer
    }
    const challenge = await checkChallenge(registry, probe)
    const token =
      challenge.status === 'failed' ? undefined : await checkToken(registry, {probe, mint: createMint(registry, options), issuer, now})
    if (token !== undefined && token.status !== 'failed') {
      await store.markProven(registry, now().toISOString())
      return
    }
    const isElsewhere = token === undefined && !isDown
    if (registry.provenAt !== undefined && !isElsewhere) return
    if (registry.provenAt !== undefined) await store.markProven(registry, undefined)
    throw unproven(registry, (token ?? challenge).detail)
  } catch (error) {
    const isUnreachable = error instanceof HoldfastError && error.code !== 'CONFIGURATION'
    if (!(isUnreachable && registry.provenAt !== undefined)) throw error
  }
}

function unproven({name, url}: ManagedRegistry, detail: string): HoldfastError {
  return new HoldfastError(
    'CONFIGURATION',
    `cannot index registry "${name}": "${url}" has not proven that it trusts this collector: ${detail}`,
    {
      hints: [`holdfast registry check ${name}`],
    },
  )
}

/** Proves registries when something depends on it: once at a time, and not again and again. */
export class Prover {
  readonly #options: ProofOptions
  readonly #running = new Map<number, Promise<boolean>>()
  /** When each was last asked without success; milliseconds since the epoch. */
  readonly #failedAt = new Map<number, number>()

  constructor(options: ProofOptions) {
    this.#options = options
  }

  /** Returns whether the registry is proven, after asking it where it is not. */
  async isProven(registry: ManagedRegistry): Promise<boolean> {
    if (isProven(registry)) return true
    const {id} = registry
    if (this.#options.now().getTime() - (this.#failedAt.get(id) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return false
    const running = this.#running.get(id) ?? this.#prove(registry)
    this.#running.set(id, running)
    return await running
  }

  async #prove(registry: ManagedRegistry): Promise<boolean> {
    try {
      await proveRegistry(registry, this.#options)
      this.#failedAt.delete(registry.id)
      return true
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error
      this.#failedAt.set(registry.id, this.#options.now().getTime())
      return false
    } finally {
      this.#running.delete(registry.id)
    }
  }
}
