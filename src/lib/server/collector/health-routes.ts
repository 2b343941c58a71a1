/** `/metrics` for Prometheus, and what restricts a collector; `/healthz` and `/readyz` are the registry's. */
import {isIP} from 'node:net'
import type {FastifyInstance, FastifyRequest} from 'fastify'
import type {KeyRings} from '../../collector/key-ring.ts'
import type {CollectorStore} from '../../collector/store.ts'
import {HoldfastError} from '../../core/errors.ts'
import {assertKeysLast} from '../../tokens/signing-keys.ts'
import type {checkHealth} from '../health.ts'
import {isLoopbackAddress} from '../loopback.ts'
import {type CallerDependencies, identifyCaller} from './callers.ts'
import type {CollectorMetrics} from './metrics.ts'

export interface HealthOptions extends CallerDependencies {
  readonly metrics: CollectorMetrics
}

export function addHealthRoutes(app: FastifyInstance, options: HealthOptions): void {
  const {metrics} = options
  app.get('/metrics', async (request, reply) => {
    if (!isAskedHere(request) && !(await identifyCaller(request, options)).user.isAdministrator) {
      throw new HoldfastError('DENIED', 'cannot read metrics: only an administrator may, or a program of the same machine')
    }
    return await reply.header('content-type', metrics.contentType).send(await metrics.text())
  })
}

/** Headers of proxies: what comes through one on this machine comes from anywhere. */
const FORWARDED = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip']

function isAskedHere({ip, headers}: FastifyRequest): boolean {
  return isIP(ip) !== 0 && isLoopbackAddress(ip) && FORWARDED.every((name) => headers[name] === undefined)
}

export interface CollectorChecks {
  readonly store: CollectorStore
  readonly keys: KeyRings
  readonly now: () => Date
}

/** Whether the database answers, and registries go on trusting what is signed. */
export function collectorChecks({store, keys, now}: CollectorChecks): Parameters<typeof checkHealth>[0] {
  return [
    {
      check: async () => {
        await store.readDocument('settings')
        return {}
      },
      otherwise: 'database',
    },
    {
      check: async () => {
        const ring = await keys.current()
        try {
          assertKeysLast(ring, now())
          return {}
        } catch (error) {
          if (error instanceof HoldfastError) return {degraded: ['keys']}
          throw error
        }
      },
      otherwise: 'database',
    },
  ]
}
