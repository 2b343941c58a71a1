/**
 * `/healthz` and `/readyz`, the same for every server: open to all networks, since the probes of Kubernetes come from the node, and without any name. A server is ready while it
 * can serve what it has. What restricts it is a condition in the body, and no reason to take it out of a load balancer: its replicas have the same condition.
 */
import {settlesWithin} from '../core/settle-within.ts'

export const CONDITIONS = [
  /** The clock shows a time before one that was recorded: nothing is evicted. */
  'clock',
  /** The collector's database does not answer: no tokens are issued, and those that were issued still open the registry. */
  'database',
  'disk full',
  'disk read-only',
  /** The keys that tokens are signed with end soon. */
  'keys',
  /** The registry that keeps a mirror's images does not answer: the mirror passes on what its upstreams have. */
  'store unreachable',
  /** An upstream is not asked for now, because it did not answer or asks to slow down. */
  'upstream paused',
] as const
export type Condition = (typeof CONDITIONS)[number]

export interface Readiness {
  /** Whether what the server has can be served. */
  readonly isReady: boolean
  readonly degraded: readonly Condition[]
}

/** One thing to look at; it returns what restricts the server. */
export type HealthCheck = () => Promise<Partial<Readiness>>

/** A probe waits for a second or more; a database that hangs must not make it fail. */
const CHECK_MS = 800

/** Runs all checks at the same time. A check that fails, or does not return in `CHECK_MS`, has its `otherwise` condition. */
export async function checkHealth(checks: readonly {readonly check: HealthCheck; readonly otherwise: Condition}[]): Promise<Readiness> {
  const found = await Promise.all(
    checks.map(async ({check, otherwise}): Promise<Partial<Readiness>> => {
      const answer = check().catch((): Partial<Readiness> => ({degraded: [otherwise]}))
      return (await settlesWithin(answer, CHECK_MS)) ? await answer : {degraded: [otherwise]}
    }),
  )
  const conditions = new Set(found.flatMap(({degraded = []}) => degraded))
  return {isReady: found.every(({isReady = true}) => isReady), degraded: CONDITIONS.filter((condition) => conditions.has(condition))}
}
