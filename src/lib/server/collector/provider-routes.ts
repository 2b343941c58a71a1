/** Where people of this collector log in: read by `holdfast login --sso`, before it knows who asks. Nothing here is secret. */
import type {FastifyInstance} from 'fastify'
import type {IdentityProvider} from '../../accounts/federation/identity-provider.ts'

export function addProviderRoutes(app: FastifyInstance, providers: readonly IdentityProvider[]): void {
  const identityProviders = providers.map(({name, issuer, clientId, scopes}) => ({name, issuer, clientId, scopes}))
  app.get('/.well-known/identity-providers', async (_request, reply) => await reply.send({identityProviders}))
}
