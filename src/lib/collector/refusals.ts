/** Why an account may not do something in a repository, what it needs, and the commands that give it that. */
import {type Action, decide, type ResolvedPath} from '../access/decide.ts'
import {type Need, needsFor} from '../access/needs.ts'
import {classifyPath, ownerId} from '../access/repository-path.ts'
import {shellCommand} from '../core/shell.ts'
import {isRepositoryName} from '../oci/reference.ts'
import type {App, ManagedRegistry} from './objects.ts'
import type {CollectorStore} from './store.ts'
import {type Account, accountName, type Standing} from './subjects.ts'

/** What is said of a refusal. */
export interface Explanation {
  /** One sentence: what the account needs, or where it may do the same. */
  readonly explanation: string
  /** Commands for an administrator that give the account what it needs, all of them together. */
  readonly remedies: readonly string[]
  /** The repository below which the account may do the same. */
  readonly below?: string
}

export interface RefusedAction {
  readonly action: Action
  readonly account: Account
  readonly registry: ManagedRegistry
  readonly standing: Standing
  readonly repository: string
  /** Names of groups may be told to an account that does not see the registry. */
  readonly mayNameGroups?: boolean
}

/** Explains a refusal; reads what it takes to name commands. */
export async function explainRefusal(refused: RefusedAction, store: Pick<CollectorStore, 'findApp' | 'findGroup'>): Promise<Explanation> {
  const {action, account, registry, standing, repository} = refused
  const {principal, registry: relation, options} = standing
  const path = await standing.resolve(repository)
  const name = accountName(account)
  const needs = needsFor({action, principal, registry: relation, path, options}) ?? []
  const below = ownNamespace(account)
  const owned: ResolvedPath = {kind: 'owned', class: account.kind === 'user' ? 'users' : 'apps', relation: 'own'}
  const mayBelow = below !== undefined && !repository.startsWith(`${below}/`) && decide(action, principal, relation, owned, options).granted
  const place = placeOf(repository, registry)
  const needed =
    needs.length === 0 ? undefined : `${name} needs ${needs.map((need) => describe(need, refused)).join(' and ')} to ${action} ${place}`
  const elsewhere = mayBelow ? `may ${action} below ${below}/` : undefined
  const {reason} = decide(action, principal, relation, path, options)
  const commands = (await Promise.all(needs.map((need) => remedyFor(need, refused, store)))).flat()
  return {
    explanation:
      needed === undefined
        ? `${reason}${elsewhere === undefined ? '' : `; ${name} ${elsewhere}`}`
        : `${needed}${elsewhere === undefined ? '' : `, or ${elsewhere}`}`,
    remedies: commands.length > 0 ? commands : [shellCommand`holdfast explain ${name} ${`${registry.name}/${repository}`} ${action}`],
    ...(mayBelow ? {below} : {}),
  }
}

/** By name where that can stand in a path. */
function ownNamespace(account: Account): string | undefined {
  if (account.kind === 'service') return `apps/${account.service.app}`
  const {id, name} = account.user
  return isRepositoryName(`users/${name}`) ? `users/${name}` : `users/${id}`
}

function placeOf(repository: string, {name}: ManagedRegistry): string {
  const path = classifyPath(repository)
  if (path.kind === 'owned') return `below ${path.class}/${path.owner}/ of "${name}"`
  return path.kind === 'other' ? `at the root of "${name}"` : `"${repository.slice(0, MAX_NAME_SHOWN)}" at "${name}"`
}

const MAX_NAME_SHOWN = 100

function describe(need: Need, {account, registry, repository}: RefusedAction): string {
  const path = classifyPath(repository)
  const owner = path.kind === 'owned' ? path.owner : ''
  switch (need.kind) {
    case 'privilege':
      return `the privilege ${need.privilege}`
    case 'publication':
      return account.kind === 'service'
        ? `a publication of "${registry.name}" to a group that its app is published to`
        : `a publication of "${registry.name}" to one of its groups`
    case 'responsibility':
      return `one of its groups to be responsible for "${registry.name}"`
    case 'relation':
      if (need.relation === 'own') return `membership of group "${owner}"`
      return `one of its groups ${need.relation === 'published' ? 'to have a publication of' : 'to be responsible for'} app "${owner}"`
  }
}

/** None where a command would have to name a group that is not known, or that the account must not see. */
async function remedyFor(
  need: Need,
  refused: RefusedAction,
  store: Pick<CollectorStore, 'findApp' | 'findGroup'>,
): Promise<readonly string[]> {
  const {account, registry, standing, mayNameGroups = standing.registry.published || standing.registry.responsible} = refused
  const name = accountName(account)
  if (need.kind === 'privilege') return [shellCommand`holdfast privilege grant ${need.privilege} ${name}`]
  if (account.kind === 'service') return []
  const [own] = account.user.groups
  const path = classifyPath(refused.repository)
  if (need.kind === 'relation') {
    if (path.kind !== 'owned') return []
    if (need.relation === 'own')
      return [shellCommand`holdfast group add-member ${await groupName(path.owner, mayNameGroups, store)} ${name}`]
    const app = mayNameGroups ? await store.findApp(appKey(path.owner)) : undefined
    if (app === undefined) return []
    return need.relation === 'published' ? join(app, 'publications', own, name) : join(app, 'responsibles', own, name)
  }
  if (!mayNameGroups) return []
  const [role, flag] =
    need.kind === 'publication' ? (['publications', '--publication'] as const) : (['responsibles', '--responsible'] as const)
  const [group] = registry[role]
  if (group !== undefined) return [shellCommand`holdfast group add-member ${group} ${name}`]
  return own === undefined ? [] : [shellCommand`holdfast registry manage ${registry.name} ${flag} ${own}`]
}

/** Through a group that the app has already: flags of `app update` replace the groups that there are. */
function join(app: App, role: 'publications' | 'responsibles', own: string | undefined, name: string): readonly string[] {
  const [group] = app[role]
  if (group !== undefined) return [shellCommand`holdfast group add-member ${group} ${name}`]
  if (own === undefined) return []
  return [shellCommand`holdfast app update ${app.code} ${role === 'publications' ? '--publication' : '--responsible'} ${own}`]
}

async function groupName(owner: string, mayNameGroups: boolean, store: Pick<CollectorStore, 'findGroup'>): Promise<string> {
  const id = mayNameGroups ? ownerId(owner) : undefined
  return id === undefined ? owner : ((await store.findGroup(id))?.name ?? owner)
}

function appKey(owner: string): string | number {
  return ownerId(owner) ?? owner
}
