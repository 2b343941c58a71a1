/** What declaring and checking need from outside, over real sockets and a real database. */
import {join} from 'node:path'
import type {CredentialLookup, RegistryEndpoint} from '../../../src/lib/content/remote/endpoint.ts'
import {createWireClient} from '../../../src/lib/http/wire/client.ts'
import {openSqliteStore} from '../../../src/lib/records/sqlite/open-store.ts'
import type {CheckStep, CheckStepName, RegistryCheck} from '../../../src/lib/registries/check.ts'
import type {DeclareDependencies} from '../../../src/lib/registries/declare.ts'

export const openHttp = (endpoint: RegistryEndpoint) =>
  createWireClient({tlsFor: (origin) => (origin === `https://${endpoint.apiHost ?? endpoint.registry}` ? endpoint.tls : undefined)})

let count = 0

/** An empty store in that folder, and clients that know nobody unless credentials are given. */
export async function openDependencies(
  directory: string,
  credentials?: CredentialLookup,
): Promise<DeclareDependencies & {close: () => void}> {
  const store = await openSqliteStore({file: join(directory, `${count++}.db`)})
  return {store, credentials, openHttp, now: () => new Date(), close: () => store.close()}
}

export const account =
  (username: string, password: string): CredentialLookup =>
  async () => ({kind: 'basic', username, password})

export function statuses({steps}: RegistryCheck): Record<string, string> {
  return Object.fromEntries(steps.map(({name, status}) => [name, status]))
}

export function step({steps}: RegistryCheck, name: CheckStepName): CheckStep {
  const found = steps.find((candidate) => candidate.name === name)
  if (found === undefined) throw new Error(`no step ${name}`)
  return found
}
