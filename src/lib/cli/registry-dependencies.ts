/** What declaring and checking registries need, out of a command's context. */
import type {DeclareDependencies} from '../registries/declare.ts'
import type {Context} from './context.ts'

export async function registryDependencies(context: Context): Promise<DeclareDependencies> {
  const [store, credentials, proxyFor, openHttp] = await Promise.all([
    context.records(),
    context.credentials(),
    context.proxyRule(),
    context.httpClients(),
  ])
  return {store, credentials, proxyFor, openHttp, signal: context.signal, now: () => new Date()}
}
