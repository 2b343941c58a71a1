/** Sweeps the managed registries in turn: one replica each, by the collector's own tokens. */
import {HoldfastError} from '../core/errors.ts'
import {type Clock, SYSTEM_CLOCK} from '../core/retry.ts'
import {createSweepSchedule, type SweepReport} from '../discovery/schedule.ts'
import {type SweepResult, sweepRegistry} from '../discovery/sweep.ts'
import type {SweepSource} from '../discovery/sweep-ports.ts'
import {createSweepIndex} from './index-feed.ts'
import {createLeases, workUnderLease} from './leases.ts'
import type {ManagedRegistry} from './objects.ts'
import {createMint, type MintToken} from './own-tokens.ts'
import {type ProofOptions, proveRegistry} from './proof.ts'
import type {CollectorStore} from './store.ts'
import {checkTrust, type TrustStep} from './trust-check.ts'

/** A process that died in a sweep keeps others from that registry for so long; a sweep under way renews its lease. */
const RUNNING_LEASE_MS = 60_000
/** How long a sweep that was asked for waits for one that is under way. */
const WAIT_FOR_OTHER_MS = 30_000
/** How often it is looked which registries there are. */
const REGISTRIES_CHECK_MS = 10_000

/** Opens a registry for a sweep. */
export type OpenSweepSource = (registry: ManagedRegistry, mint: MintToken) => Promise<SweepSource>

export interface SweeperOptions extends ProofOptions {
  readonly store: CollectorStore
  readonly openSource: OpenSweepSource
  readonly clock?: Clock | undefined
}

/** Asks a registry whether it trusts this collector. */
export async function checkTrustNow(registry: ManagedRegistry, options: SweeperOptions): Promise<readonly TrustStep[]> {
  const {store, issuer, openProbe, now} = options
  // What it proves now counts now; what it does not is among the steps.
  await proveRegistry(registry, options).catch((error: unknown) => {
    if (!(error instanceof HoldfastError)) throw error
  })
  const [last] = await store.listEvents({registry: registry.name, limit: 1})
  return await checkTrust(registry, {
    probe: await openProbe(registry),
    mint: createMint(registry, options),
    issuer,
    lastEventAt: last?.receivedAt,
    hasEventsSecret: (await store.findEventsSecretHash(registry.id)) !== undefined,
    repositories: await store.countRepositories(registry.id),
    now,
  })
}

/**
 * Sweeps one registry, now; a sweep of it by another process is waited for, within bounds.
 * @throws {HoldfastError} CONFIGURATION when it has not proven that it trusts this collector; CONFLICT when another process sweeps it for longer; what opening it throws.
 */
export async function sweepNow(registry: ManagedRegistry, options: SweeperOptions, signal?: AbortSignal): Promise<SweepResult> {
  return await sweepAlone(registry, options, {waitMs: WAIT_FOR_OTHER_MS, signal})
}

/** Only one process sweeps a registry, the command line and every replica: two would do the same twice, and each would purge by what it alone has seen. */
async function sweepAlone(
  registry: ManagedRegistry,
  options: SweeperOptions,
  {waitMs, signal}: {readonly waitMs: number; readonly signal?: AbortSignal | undefined},
): Promise<SweepResult> {
  const {name} = registry
  const {store, now, clock = SYSTEM_CLOCK} = options
  const leases = createLeases(store, now, 'running-sweep')
  const busy = (): HoldfastError =>
    new HoldfastError('CONFLICT', `cannot sweep registry "${name}": another process sweeps it`, {
      hints: [`holdfast registry discover ${name}   # when that sweep has ended`],
    })
  const lease = {leases, object: name, lifeMs: RUNNING_LEASE_MS, waitMs, clock, signal, busy}
  return await workUnderLease(lease, (held) => sweep(registry, options, held))
}

async function sweep(registry: ManagedRegistry, options: SweeperOptions, signal: AbortSignal): Promise<SweepResult> {
  await proveRegistry(registry, options)
  const source = await options.openSource(registry, createMint(registry, options))
  return await sweepRegistry(source, createSweepIndex(options.store, registry.id), {signal})
}

export interface Sweeper {
  /** Settles when no sweep runs any more. */
  stop(): Promise<void>
}

/** Sweeps every managed registry every two minutes; registries come and go while it runs. */
export function startSweeper(options: SweeperOptions, report: (report: SweepReport) => void): Sweeper {
  const {store, now} = options
  const schedule = createSweepSchedule({
    async sweep(name, signal) {
      const registry = await store.findManagedRegistry({name})
      if (registry === undefined) throw new Error(`registry "${name}" is managed no more`)
      return await sweepAlone(registry, options, {waitMs: 0, signal})
    },
    lock: createLeases(store, now, 'sweep-lease'),
    report,
  })
  const swept = new Set<string>()
  const follow = async (): Promise<void> => {
    const names = new Set((await store.listManagedRegistries()).map(({name}) => name))
    for (const name of names) if (!swept.has(name)) schedule.add(name)
    for (const name of swept) if (!names.has(name)) await schedule.remove(name)
    swept.clear()
    for (const name of names) swept.add(name)
  }
  // A failure to look is seen by the sweeps, too; the next look repairs it.
  const look = (): void => void follow().catch(() => {})
  look()
  const timer = setInterval(look, REGISTRIES_CHECK_MS)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await schedule.stop()
    },
  }
}
