/** What an account may pull from a registry, as owners of paths: the database finds these by an index, and looks at nothing else. */
import {decide, type ResolvedPath} from '../../access/decide.ts'
import {ownerId, ROOT_OWNER} from '../../access/repository-path.ts'
import type {ManagedRegistry} from '../objects.ts'
import type {CollectorStore, VisibleRepositories} from '../store.ts'
import {type Account, appRelation, standingOf} from '../subjects.ts'

type VisibleStore = Pick<
  CollectorStore,
  'appsOfGroups' | 'findApp' | 'findGroup' | 'groupsOfApp' | 'groupsOfRegistry' | 'groupsOfUser' | 'readDocument'
>

/** Returns the owners whose repositories the policy lets the account pull; none when there are none. */
export async function visibleIn(account: Account, registry: ManagedRegistry, store: VisibleStore): Promise<VisibleRepositories> {
  const {principal, registry: relation, options, groups} = await standingOf(account, registry, store)
  const mayPull = (path: ResolvedPath): boolean => decide('pull', principal, relation, path, options).granted
  const owners = new Set<string>(mayPull({kind: 'other'}) ? [ROOT_OWNER] : [])
  /** A name of digits is an id in a path, and then another owner's. */
  const add = (folder: string, id: number, name: string): void => {
    owners.add(`${folder}/${id}`)
    if (ownerId(name) === undefined) owners.add(`${folder}/${name}`)
  }
  if (account.kind === 'user') {
    const {user} = account
    if (mayPull({kind: 'owned', class: 'users', relation: 'own'})) add('users', user.id, user.name)
    if (mayPull({kind: 'owned', class: 'groups', relation: 'own'})) {
      for (const id of groups) owners.add(`groups/${id}`)
      for (const name of user.groups) if (ownerId(name) === undefined) owners.add(`groups/${name}`)
    }
    if (!relation.published && !relation.responsible) return {registryId: registry.id, owners: [...owners]}
    for (const {id, code, isPublished, isResponsible} of await store.appsOfGroups(groups)) {
      if (mayPull({kind: 'owned', class: 'apps', relation: appRelation(isPublished, isResponsible)})) add('apps', id, code)
    }
  } else if (mayPull({kind: 'owned', class: 'apps', relation: 'own'})) {
    const app = await store.findApp(account.service.app)
    if (app !== undefined) add('apps', app.id, app.code)
  }
  return {registryId: registry.id, owners: [...owners]}
}
