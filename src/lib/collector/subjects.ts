/** Users and services as principals of the access policy: what they are to a registry, and to the owners of paths. */
import type {OwnerRelation, PolicyOptions, Principal, RegistryRelation, ResolvedPath} from '../access/decide.ts'
import {classifyPath, ownerId} from '../access/repository-path.ts'
import {readSettings, type Settings} from './api/settings-document.ts'
import {type ManagedRegistry, PRIVILEGES, type Service, type User} from './objects.ts'
import type {CollectorStore} from './store.ts'

/** An account that can log in. */
export type Account = {readonly kind: 'user'; readonly user: User} | {readonly kind: 'service'; readonly service: Service}

const SERVICE_SUFFIX = '@service'

/** What the account is called: in a login, as the subject of its tokens, in the audit log. */
export function accountName(account: Account): string {
  return account.kind === 'user' ? account.user.name : `${account.service.name}${SERVICE_SUFFIX}`
}

/** The service that an account name stands for; undefined for a user's name. */
export function serviceOfAccount(name: string): string | undefined {
  return name.endsWith(SERVICE_SUFFIX) ? name.slice(0, -SERVICE_SUFFIX.length) : undefined
}

export function isDisabled(account: Account): boolean {
  return account.kind === 'user' ? account.user.isDisabled : account.service.isDisabled
}

/** What the policy needs of an account, read once for any number of decisions at one registry. */
export interface Standing {
  readonly principal: Principal
  readonly registry: RegistryRelation
  readonly options: PolicyOptions
  /** Ids of the groups that count for the account. */
  readonly groups: ReadonlySet<number>
  /** What the account is to the owner of a repository's path. */
  readonly resolve: (repository: string) => Promise<ResolvedPath>
}

/** What of the store it takes. */
type StandingStore = Pick<CollectorStore, 'findApp' | 'findGroup' | 'groupsOfApp' | 'groupsOfRegistry' | 'groupsOfUser' | 'readDocument'>

/** Reads what the account is to the registry. */
export async function standingOf(account: Account, registry: ManagedRegistry, store: StandingStore): Promise<Standing> {
  const [groups, registryGroups, settings] = await Promise.all([
    groupsOf(account, store),
    store.groupsOfRegistry(registry.id),
    readSettings(store),
  ])
  const relation = {
    restricted: registry.restricted,
    published: intersects(groups, registryGroups.publications),
    responsible: intersects(groups, registryGroups.responsibles),
  }
  const relations = new Map<string, Promise<OwnerRelation>>()
  return {
    principal: principalOf(account, settings),
    registry: relation,
    options: {responsibleSees: settings.responsibleSees},
    groups,
    async resolve(repository) {
      const path = classifyPath(repository)
      if (path.kind !== 'owned') return path
      const key = `${path.class}/${path.owner}`
      const found = relations.get(key) ?? relationTo(path.class, path.owner, account, groups, store)
      relations.set(key, found)
      return {kind: 'owned', class: path.class, relation: await found}
    },
  }
}

function principalOf(account: Account, {policy}: Settings): Principal {
  if (isDisabled(account)) return {kind: 'disabled'}
  if (account.kind === 'service') return {kind: 'service'}
  const {privileges, isAdministrator} = account.user
  return {kind: 'user', privileges: new Set(policy === 'public' ? PRIVILEGES : privileges), isAdministrator}
}

/** A user's groups; of a service those that its app is published to. */
async function groupsOf(account: Account, store: StandingStore): Promise<ReadonlySet<number>> {
  if (account.kind === 'user') return await store.groupsOfUser(account.user.id)
  const app = await store.findApp(account.service.app)
  return app === undefined ? new Set() : (await store.groupsOfApp(app.id)).publications
}

async function relationTo(
  type: 'users' | 'groups' | 'apps',
  owner: string,
  account: Account,
  groups: ReadonlySet<number>,
  store: StandingStore,
): Promise<OwnerRelation> {
  const id = ownerId(owner)
  switch (type) {
    case 'users': {
      if (account.kind !== 'user') return 'foreign'
      return (id === undefined ? account.user.name === owner : account.user.id === id) ? 'own' : 'foreign'
    }
    case 'groups': {
      if (account.kind !== 'user') return 'foreign'
      const group = await store.findGroup(id ?? owner)
      return group?.kind === 'organisational' && groups.has(group.id) ? 'own' : 'foreign'
    }
    case 'apps': {
      const app = await store.findApp(id ?? owner)
      if (app === undefined) return 'foreign'
      if (account.kind === 'service') return app.code === account.service.app ? 'own' : 'foreign'
      const {publications, responsibles} = await store.groupsOfApp(app.id)
      return appRelation(intersects(groups, publications), intersects(groups, responsibles))
    }
  }
}

/** What a user is to an app, by the app's groups that the user is in. */
export function appRelation(isPublished: boolean, isResponsible: boolean): OwnerRelation {
  if (isPublished) return isResponsible ? 'published-and-responsible' : 'published'
  return isResponsible ? 'responsible' : 'foreign'
}

function intersects(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  for (const id of a) if (b.has(id)) return true
  return false
}
