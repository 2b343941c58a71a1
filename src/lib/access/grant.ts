/** From the scopes that are asked for to those that a token gets, with every decision for the audit log. */
import type {Scope} from '../auth/scope.ts'
import {HoldfastError} from '../core/errors.ts'
import {
  ACTIONS,
  DEFAULT_POLICY,
  type Decision,
  decide,
  isAction,
  type PolicyOptions,
  type Principal,
  type RegistryRelation,
  type ResolvedPath,
} from './decide.ts'

/** Registries and proxies read a token as one header of some kilobytes. */
export const MAX_SCOPES = 20
/** What docker asks for to search. */
const SEARCH: Pick<Scope, 'type' | 'name'> = {type: 'registry', name: 'catalog'}

export interface DecidedAction extends Omit<Decision, 'rule'> {
  readonly scope: Scope
  readonly action: string
  /** K1: the catalog; X2: no type or action that a registry has; else a rule of the policy. */
  readonly rule: Decision['rule'] | 'K1'
}

export interface Grant {
  /** The `access` claim of the token; scopes without an action are left out. */
  readonly access: readonly Scope[]
  readonly decisions: readonly DecidedAction[]
}

export interface GrantRequest {
  readonly principal: Principal
  readonly registry: RegistryRelation
  readonly scopes: readonly Scope[]
  readonly options?: PolicyOptions
  /** What the principal is to the owner of a repository's path. */
  readonly resolve: (repository: string) => Promise<ResolvedPath>
}

/**
 * Grants what the policy allows of what is asked; too little is no error.
 * @throws {HoldfastError} USAGE for more than `MAX_SCOPES` scopes.
 */
export async function grantScopes({principal, registry, scopes, options, resolve}: GrantRequest): Promise<Grant> {
  if (scopes.length > MAX_SCOPES) {
    throw new HoldfastError('USAGE', `cannot give a token for ${scopes.length} scopes: ${MAX_SCOPES} at most`, {
      details: {scopes: scopes.length},
    })
  }
  const access: Scope[] = []
  const decisions: DecidedAction[] = []
  for (const scope of scopes) {
    const decided = await decideScope(scope, {principal, registry, resolve, ...(options === undefined ? {} : {options})})
    decisions.push(...decided)
    const granted = decided.filter((decision) => decision.granted).map(({action}) => action)
    if (granted.length > 0) access.push({...scope, actions: [...new Set(granted)].sort()})
  }
  return {access, decisions}
}

async function decideScope(
  scope: Scope,
  {principal, registry, options, resolve}: Omit<GrantRequest, 'scopes'>,
): Promise<readonly DecidedAction[]> {
  if (scope.type === SEARCH.type && scope.name === SEARCH.name)
    return scope.actions.map((action) => decideCatalog(scope, action, principal, registry, options))
  if (scope.type !== 'repository') return scope.actions.map((action) => unknown(scope, action, 'no registry asks for that type'))
  const path = await resolve(scope.name)
  // `*` in a token would mean every action there will ever be.
  const wanted = [...new Set(scope.actions.flatMap((action): readonly string[] => (action === '*' ? ACTIONS : [action])))]
  return wanted.map((action) =>
    isAction(action)
      ? {scope, action, ...decide(action, principal, registry, path, options)}
      : unknown(scope, action, 'no registry asks for that action'),
  )
}

function decideCatalog(
  scope: Scope,
  action: string,
  principal: Principal,
  {published, responsible}: RegistryRelation,
  {responsibleSees}: PolicyOptions = DEFAULT_POLICY,
): DecidedAction {
  if (action !== 'search') return {scope, action, granted: false, rule: 'K1', reason: 'the catalog of all names is for the collector alone'}
  const sees = principal.kind === 'user' ? published || (responsibleSees && responsible) : principal.kind === 'service' && published
  return {
    scope,
    action,
    granted: sees,
    rule: 'K1',
    reason: sees ? 'the registry is seen' : 'the registry is not published to any group of the account',
  }
}

function unknown(scope: Scope, action: string, reason: string): DecidedAction {
  return {scope, action, granted: false, rule: 'X2', reason}
}
