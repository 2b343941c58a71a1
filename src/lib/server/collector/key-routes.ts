/** What registries must know of the collector's keys; nothing of it is secret. */
import type {FastifyInstance} from 'fastify'
import type {KeyRings} from '../../collector/key-ring.ts'
import {publicKeys} from '../../tokens/registry-token.ts'

/** A registry, or what fetches for it, may keep the answer for so long. */
const CACHE_CONTROL = 'public, max-age=300'

export function addKeyRoutes(app: FastifyInstance, keys: KeyRings): void {
  app.get('/.well-known/jwks.json', async (_request, reply) => {
    return await reply.header('cache-control', CACHE_CONTROL).send(publicKeys(await keys.current()))
  })
  app.get('/pki/registry-token-ca.pem', async (_request, reply) => {
    const {authority} = await keys.current()
    return await reply.header('cache-control', CACHE_CONTROL).type('application/x-pem-file').send(authority.certificate)
  })
}
