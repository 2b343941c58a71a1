/**
 * The access policy: what somebody may do in one repository of one registry, and by which rule. Pure: whom a path belongs to is looked up before.
 *
 * A registry is seen by the groups that it was published to (V), and by those that answer for it unless the policy is strict. A restricted one is pushed to by those
 * that answer for it, an unrestricted one by all that see it (G). Below `users/`, `groups/` and `apps/` only owners have something; elsewhere, pushing takes the
 * privilege Manager and an answer for the registry as well. Services pull: below `apps/` of their own app, and from everything outside of users/, groups/ and apps/.
 *
 * Deleting needs no right to pull: owners delete what is theirs, managers everywhere in the registries that they are responsible for, administrators everything. Otherwise images
 * below the namespace of a user who was removed could never be deleted.
 */
import type {OwnedClass, RepositoryPath} from './repository-path.ts'

export type Privilege = 'Manager' | 'Pusher' | 'Puller'

/** What a principal is to the registry: whether one of its groups sees it, and whether one answers for it. */
export interface RegistryRelation {
  readonly restricted: boolean
  readonly published: boolean
  readonly responsible: boolean
}

export type Principal =
  | {readonly kind: 'user'; readonly privileges: ReadonlySet<Privilege>; readonly isAdministrator?: boolean | undefined}
  /** Its groups are those that its app is published to. */
  | {readonly kind: 'service'}
  /** Known, and nothing more: a node without a service, a user who was disabled. */
  | {readonly kind: 'disabled'}

/** What the principal is to the owner of a path below `users/`, `groups/` or `apps/`. */
export type OwnerRelation =
  /** The user himself, a member of the group, the app of the service. */
  | 'own'
  /** The app is published to a group of the user, and no group of his answers for it. */
  | 'published'
  /** A group of the user answers for the app, which is not published to any of his. */
  | 'responsible'
  /** Both. */
  | 'published-and-responsible'
  /** Somebody else's, or nobody is known under that name. */
  | 'foreign'

/** A path with what the principal is to its owner. */
export type ResolvedPath =
  | {readonly kind: 'owned'; readonly class: OwnedClass; readonly relation: OwnerRelation}
  | Exclude<RepositoryPath, {readonly kind: 'owned'}>

export type Action = 'pull' | 'push' | 'delete'
export const ACTIONS: readonly Action[] = ['pull', 'push', 'delete']

export function isAction(text: string): text is Action {
  return ACTIONS.some((action) => action === text)
}

/**
 * The rules: users U1 to U9, services S1 to S4, N1 accounts without rights, C8 reserved names, X2 names that no repository has. Deleting: D1 by those responsible for the registry (and every refusal
 * to a user), D2 by services, D3 by the owner, D4 by an administrator.
 */
export type Rule =
  | 'U1'
  | 'U2'
  | 'U3'
  | 'U4'
  | 'U5'
  | 'U6'
  | 'U7'
  | 'U8'
  | 'U9'
  | 'S1'
  | 'S2'
  | 'S3'
  | 'S4'
  | 'N1'
  | 'D1'
  | 'D2'
  | 'D3'
  | 'D4'
  | 'C8'
  | 'X2'

export interface Decision {
  readonly granted: boolean
  readonly rule: Rule
  /** One sentence for people. */
  readonly reason: string
}

export interface PolicyOptions {
  /** Who answers for a registry or an app sees it as well, though it was not published to him. The default; off in strict mode. */
  readonly responsibleSees: boolean
}

export const DEFAULT_POLICY: PolicyOptions = {responsibleSees: true}

/** Decides about one action. */
export function decide(
  action: Action,
  principal: Principal,
  registry: RegistryRelation,
  path: ResolvedPath,
  {responsibleSees}: PolicyOptions = DEFAULT_POLICY,
): Decision {
  if (path.kind === 'invalid') return refuse('X2', 'no repository can have that name')
  if (path.kind === 'reserved') return refuse('C8', 'that is a namespace, not a repository')
  switch (principal.kind) {
    case 'disabled':
      return refuse('N1', 'the account has no rights')
    case 'service':
      return decideForService(action, registry, path)
    case 'user':
      return action === 'delete'
        ? decideDeletion(principal, registry, path)
        : decideForUser(action, principal.privileges, registry, path, responsibleSees)
  }
}

type RealPath = Exclude<ResolvedPath, {readonly kind: 'invalid' | 'reserved'}>

function decideForService(action: Action, {published}: RegistryRelation, path: RealPath): Decision {
  if (action === 'delete') return refuse('D2', 'services delete nothing')
  if (path.kind === 'owned' && path.class !== 'apps') return refuse('S1', `services have nothing below ${path.class}/`)
  if (path.kind === 'owned' && path.relation !== 'own') return refuse('S3', 'it belongs to another app')
  const rule = path.kind === 'owned' ? 'S2' : 'S4'
  if (action === 'push') return refuse(rule, 'services push nothing')
  return published ? grant(rule, 'the registry is published to a group that the app is published to') : refuse(rule, NOT_PUBLISHED_TO_APP)
}

const NOT_PUBLISHED_TO_APP = 'the registry is published to no group that the app is published to'

function decideDeletion(
  {privileges, isAdministrator}: Extract<Principal, {readonly kind: 'user'}>,
  {responsible}: RegistryRelation,
  path: RealPath,
): Decision {
  if (isOwn(path)) return grant('D3', "the namespace is the user's own")
  if (responsible && privileges.has('Manager')) return grant('D1', 'a group of the user is responsible for the registry')
  if (isAdministrator) return grant('D4', 'the user is an administrator')
  return refuse('D1', responsible ? missing('Manager') : `${NOT_RESPONSIBLE}, and the namespace is not the user's own`)
}

/** A user's own namespace, that of a group of the user, or of an app that a group of the user is responsible for. */
function isOwn(path: RealPath): boolean {
  if (path.kind !== 'owned') return false
  return path.relation === 'own' || path.relation === 'responsible' || path.relation === 'published-and-responsible'
}

function decideForUser(
  action: Exclude<Action, 'delete'>,
  privileges: ReadonlySet<Privilege>,
  registry: RegistryRelation,
  path: RealPath,
  responsibleSees: boolean,
): Decision {
  const {restricted, published, responsible} = registry
  const sees = published || (responsibleSees && responsible)
  const mayPush = restricted ? responsible : sees
  const lacks = (privilege: Privilege): boolean => !privileges.has(privilege)
  const {rule, pulls, pushes, whyNot} = ruleOf(path, responsibleSees)
  if (action === 'pull') {
    if (!pulls) return refuse(rule, whyNot)
    if (lacks('Puller')) return refuse(rule, missing('Puller'))
    return sees ? grant(rule, 'the registry is published to a group of the user') : refuse(rule, NOT_SEEN)
  }
  if (!pushes) return refuse(rule, whyNot)
  if (lacks('Pusher')) return refuse(rule, missing('Pusher'))
  if (path.kind === 'other') {
    if (!responsible) return refuse(rule, NOT_RESPONSIBLE)
    return lacks('Manager') ? refuse(rule, missing('Manager')) : grant(rule, 'a group of the user answers for the registry')
  }
  if (mayPush) return grant(rule, "the namespace is the user's own, and the registry takes pushes of his groups")
  return refuse(rule, restricted ? `${NOT_RESPONSIBLE}, and the registry is restricted` : NOT_SEEN)
}

const NOT_SEEN = 'the registry is published to no group of the user'
const NOT_RESPONSIBLE = 'no group of the user answers for the registry'
const missing = (privilege: Privilege): string => `the user has not the privilege ${privilege}`

interface UserRule {
  readonly rule: Rule
  /** Whether the path allows it at all; privileges and the registry decide the rest. */
  readonly pulls: boolean
  readonly pushes: boolean
  /** Why the path does not. */
  readonly whyNot: string
}

function ruleOf(path: RealPath, responsibleSees: boolean): UserRule {
  if (path.kind === 'other') return {rule: 'U9', pulls: true, pushes: true, whyNot: ''}
  if (path.class === 'users') return path.relation === 'own' ? all('U1') : none('U2', 'it belongs to another user')
  if (path.class === 'groups') return path.relation === 'own' ? all('U3') : none('U4', 'the user is no member of that group')
  switch (path.relation) {
    case 'published':
      return {rule: 'U5', pulls: true, pushes: false, whyNot: 'no group of the user answers for the app'}
    case 'responsible':
      return {rule: 'U6', pulls: responsibleSees, pushes: true, whyNot: 'the app is published to no group of the user'}
    case 'published-and-responsible':
      return all('U7')
    default:
      return none('U8', 'no group of the user has to do with that app, or there is none')
  }
}

const all = (rule: Rule): UserRule => ({rule, pulls: true, pushes: true, whyNot: ''})
const none = (rule: Rule, whyNot: string): UserRule => ({rule, pulls: false, pushes: false, whyNot})

function grant(rule: Rule, reason: string): Decision {
  return {granted: true, rule, reason}
}

function refuse(rule: Rule, reason: string): Decision {
  return {granted: false, rule, reason}
}
