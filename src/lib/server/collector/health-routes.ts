/** `/readyz` for load balancers, `/metrics` for Prometheus. `/healthz` is the registry's. */
import {isIP} from 'node:net'
import type {FastifyInstance} from 'fastify'
import type {KeyRings} from '../../collector/key-ring.ts'
import type {CollectorStore} from '../../collector/store.ts'
import {HoldfastError} from '../../core/errors.ts'
import {assertKeysLast} from '../../tokens/signing-keys.ts'
import {isLoopbackAddress} from '../loopback.ts'
import {type CallerDependencies, identifyCaller} from './callers.ts'
import type {CollectorMetrics} from './metrics.ts'

export interface HealthOptions extends CallerDependencies {
  readonly store: CollectorStore
  readonly keys: KeyRings
  readonly metrics: CollectorMetrics
  readonly now: () => Date
}

export function addHealthRoutes(app: FastifyInstance, options: HealthOptions): void {
  const {store, keys, metrics, now} = options
  app.get('/readyz', async (_request, reply) => {
    try {
      // The database answers, and registries go on trusting what is signed.
      await store.readDocument('settings')
      assertKeysLast(await keys.current(), now())
      return await reply.send({status: 'ok'})
    } catch (error) {
      const reason = error instanceof HoldfastError ? error.code : 'INTERNAL'
      return await reply.code(503).send({status: 'not ready', reason})
    }
  })
  app.get('/metrics', async (request, reply) => {
    const isLocal = isIP(request.ip) !== 0 && isLoopbackAddress(request.ip)
    if (!isLocal && !(await identifyCaller(request, options)).user.isAdministrator) {
      throw new HoldfastError('DENIED', 'cannot read metrics: only an administrator may, or a program of the same machine')
    }
    return await reply.header('content-type', metrics.contentType).send(await metrics.text())
  })
}
