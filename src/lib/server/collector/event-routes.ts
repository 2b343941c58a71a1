/** `/events/<registry>`: where registries deliver their notifications. They deliver again whatever is not answered in half a second, in order, for ever. */
import type {FastifyInstance, FastifyReply, FastifyRequest} from 'fastify'
import type {Prover} from '../../collector/proof.ts'
import type {CollectorStore} from '../../collector/store.ts'
import {HoldfastError} from '../../core/errors.ts'
import {settlesWithin} from '../../core/settle-within.ts'
import {decodeNotifications, MAX_NOTIFICATION_BYTES} from '../../events/decode-notifications.ts'
import type {EventRecorder} from '../../events/record-events.ts'
import {matchesHash} from '../../tokens/opaque-token.ts'

const BEARER = /^Bearer +([^ ]+)$/i

/** A registry waits half a second, and delivers again what is not answered by then. */
const PROOF_MS = 2_000

export interface EventRoutesOptions {
  readonly store: CollectorStore
  readonly recorder: EventRecorder
  readonly prover: Prover
}

/** The bodies are read here as bytes: their media types are the registries' own, and one that is none of JSON is answered like the others. */
export async function addEventRoutes(app: FastifyInstance, options: EventRoutesOptions): Promise<void> {
  await app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', {parseAs: 'buffer', bodyLimit: MAX_NOTIFICATION_BYTES}, (_request, body, done) => done(null, body))
    scope.post('/events/:registry', async (request, reply) => await answer(request, reply, options))
  })
}

async function answer(request: FastifyRequest, reply: FastifyReply, {store, recorder, prover}: EventRoutesOptions): Promise<FastifyReply> {
  const {registry: name} = request.params as {readonly registry: string}
  const registry = await store.findManagedRegistry({name})
  const hash = registry === undefined ? undefined : await store.findEventsSecretHash(registry.id)
  const secret = BEARER.exec(request.headers.authorization ?? '')?.[1]
  if (registry === undefined || hash === undefined || secret === undefined || !matchesHash(secret, hash)) {
    throw new HoldfastError('UNAUTHENTICATED', 'cannot take notifications: the secret is not that of the registry', {
      hints: [`holdfast registry renew-events-secret ${name.slice(0, 100)}`],
    })
  }
  const body = request.body instanceof Uint8Array ? request.body : new Uint8Array()
  const {events} = decodeNotifications(request.headers['content-type'], body)
  // The first events of a new registry may come before its first sweep.
  await settlesWithin(prover.isProven(registry), PROOF_MS)
  try {
    await recorder.record(registry.name, events)
  } catch (error) {
    // It is delivered again.
    if (error instanceof HoldfastError && error.code === 'STORAGE') return reply.code(503).header('retry-after', '1').send()
    throw error
  }
  // What is malformed, unknown or known already would be delivered for ever if it were refused.
  return reply.code(202).send()
}
