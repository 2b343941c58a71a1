/** What an account lacks for an action: the fewest facts that would have to change, found by asking the policy itself. */
import {
  type Action,
  decide,
  type OwnerRelation,
  type PolicyOptions,
  type Principal,
  type Privilege,
  type RegistryRelation,
  type ResolvedPath,
} from './decide.ts'

export type Need =
  | {readonly kind: 'privilege'; readonly privilege: Privilege}
  /** The registry is published to a group of the account. */
  | {readonly kind: 'publication'}
  /** A group of the account is responsible for the registry. */
  | {readonly kind: 'responsibility'}
  /** The account is this to the owner of the path. */
  | {readonly kind: 'relation'; readonly relation: OwnerRelation}

interface Question {
  readonly action: Action
  readonly principal: Principal
  readonly registry: RegistryRelation
  readonly path: ResolvedPath
  readonly options: PolicyOptions
}

const PRIVILEGES: readonly Privilege[] = ['Puller', 'Pusher', 'Manager']

/** Returns the fewest needs whose fulfilment grants the action; empty when it is granted; undefined when nothing that can be given grants it. */
export function needsFor(question: Question): readonly Need[] | undefined {
  const possible = possibleNeeds(question)
  const sets = Array.from({length: 2 ** possible.length}, (_, bits) => possible.filter((_, index) => (bits & (2 ** index)) !== 0))
  return sets.sort((a, b) => a.length - b.length).find((needs) => isGranted(needs.reduce(fulfil, question)))
}

function possibleNeeds({principal, path}: Question): readonly Need[] {
  if (principal.kind === 'disabled') return []
  const registry: readonly Need[] = [{kind: 'publication'}, {kind: 'responsibility'}]
  if (principal.kind === 'service') return registry
  return [...PRIVILEGES.map((privilege) => ({kind: 'privilege', privilege}) as const), ...registry, ...relations(path)]
}

/** A user's own namespace cannot become another user's. */
function relations(path: ResolvedPath): readonly Need[] {
  if (path.kind !== 'owned' || path.class === 'users') return []
  const possible: readonly OwnerRelation[] = path.class === 'groups' ? ['own'] : ['published', 'responsible', 'published-and-responsible']
  return possible.map((relation) => ({kind: 'relation', relation}))
}

function fulfil(question: Question, need: Need): Question {
  const {principal, registry, path} = question
  switch (need.kind) {
    case 'privilege':
      return principal.kind === 'user'
        ? {...question, principal: {...principal, privileges: new Set([...principal.privileges, need.privilege])}}
        : question
    case 'publication':
      return {...question, registry: {...registry, published: true}}
    case 'responsibility':
      return {...question, registry: {...registry, responsible: true}}
    case 'relation':
      return path.kind === 'owned' ? {...question, path: {...path, relation: need.relation}} : question
  }
}

function isGranted({action, principal, registry, path, options}: Question): boolean {
  return decide(action, principal, registry, path, options).granted
}
