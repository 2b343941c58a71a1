import {Type} from 'typebox'
import {ACTIONS, decide} from '../../access/decide.ts'
import {HoldfastError} from '../../core/errors.ts'
import {explainRefusal} from '../refusals.ts'
import {createSearchService} from '../search/search-service.ts'
import {type Account, serviceOfAccount, standingOf} from '../subjects.ts'
import {assertAdministrator, type Call, defineOperation, found, shape} from './operation.ts'
import {answerable} from './registries.ts'
import {Limit, RegistryName, RepositoryShape} from './shapes.ts'

const DEFAULT_RESULTS = 25
const ActionName = Type.Enum([...ACTIONS])

export const explainAccess = defineOperation({
  id: 'access.explain',
  method: 'GET',
  path: '/explain',
  summary: 'Tells what an account may do in a repository, and by which rule. Everybody may ask about himself.',
  input: shape({
    principal: Type.String({minLength: 1, maxLength: 256, description: 'user name, or NAME@service'}),
    registry: RegistryName,
    repository: Type.String({maxLength: 300}),
    action: Type.Optional(ActionName),
  }),
  output: shape({
    principal: Type.String(),
    registry: Type.String(),
    repository: Type.String(),
    decisions: Type.Array(
      shape({
        action: ActionName,
        granted: Type.Boolean(),
        rule: Type.String(),
        reason: Type.String({description: 'one sentence'}),
        remedies: Type.Optional(Type.Array(Type.String(), {description: 'commands for an administrator, where it is refused'})),
        below: Type.Optional(Type.String({description: 'the repository below which the account may do the same'})),
      }),
    ),
  }),
  async run({principal, registry: registryName, repository, action}, call) {
    if (call.caller.kind !== 'user' || call.caller.user.name !== principal) assertAdministrator(call, `explain what "${principal}" may`)
    const registry = found(await call.store.findManagedRegistry({name: registryName}), 'registry', registryName)
    const account = await accountOf(call, principal)
    const standing = await standingOf(account, registry, call.store)
    const isTold = call.caller.kind === 'machine' || call.caller.user.isAdministrator
    const path = await standing.resolve(repository)
    const decisions = await Promise.all(
      (action === undefined ? ACTIONS : [action]).map(async (one) => {
        const decision = decide(one, standing.principal, standing.registry, path, standing.options)
        if (decision.granted) return {action: one, ...decision}
        const refused = {action: one, account, registry, standing, repository, ...(isTold ? {mayNameGroups: true} : {})}
        const {explanation, remedies, below} = await explainRefusal(refused, call.store)
        // The command that asks this does not help here.
        const others = remedies.filter((remedy) => !remedy.startsWith('holdfast explain '))
        return {
          action: one,
          ...decision,
          reason: explanation,
          ...(others.length === 0 ? {} : {remedies: [...others]}),
          ...(below === undefined ? {} : {below}),
        }
      }),
    )
    return {principal, registry: registryName, repository, decisions}
  },
})

export const searchRepositories = defineOperation({
  id: 'repository.search',
  method: 'GET',
  path: '/search',
  summary: 'Finds repositories by name and description: what the caller may pull, the best first.',
  input: shape({
    term: Type.String({maxLength: 255, description: 'what name or description contains; may begin with "docker:"'}),
    registry: Type.Optional(RegistryName),
    limit: Type.Optional(Limit),
  }),
  output: shape({
    count: Type.Integer({description: 'how many there are for the caller; at least so many where there are more'}),
    isMore: Type.Boolean({description: 'there are more than were counted'}),
    repositories: Type.Array(RepositoryShape),
  }),
  async run({term, registry, limit = DEFAULT_RESULTS}, call) {
    const {caller} = call
    const account = caller.kind === 'machine' ? ('everything' as const) : ({kind: 'user', user: caller.user} as const)
    const {count, isMore, results} = await createSearchService(call.store).searchFor(account, term, {registry, limit})
    return {count, isMore, repositories: results.map((repository) => ({...repository}))}
  },
})

export const discoverRegistry = defineOperation({
  id: 'registry.discover',
  method: 'POST',
  path: '/registries/{name}/discovery',
  summary: 'Sweeps a registry now: what it has is indexed, and what it has no more is forgotten. For managers who are responsible for it.',
  input: shape({name: RegistryName}),
  output: shape({
    registry: Type.String(),
    isComplete: Type.Boolean({description: 'false: something could not be read, and nothing was forgotten'}),
    reason: Type.Optional(Type.String({description: 'why it is not complete'})),
    repositories: Type.Integer(),
    tags: Type.Integer(),
    asked: Type.Integer({description: 'tags whose manifests were asked for'}),
    purgedRepositories: Type.Integer(),
    purgedTags: Type.Integer(),
  }),
  async run({name}, call) {
    const registry = await answerable(call, name, 'discover')
    if (call.sweep === undefined) throw new HoldfastError('UNSUPPORTED', `cannot discover registry "${name}": this collector sweeps none`)
    const result = await call.sweep(registry)
    const {repositories, tags, asked} = result
    const purged = result.complete ? result.purged : {repositories: 0, tags: 0}
    return {
      registry: name,
      isComplete: result.complete,
      ...(result.complete ? {} : {reason: result.reason.message}),
      repositories,
      tags,
      asked,
      purgedRepositories: purged.repositories,
      purgedTags: purged.tags,
    }
  },
})

export const checkRegistryTrust = defineOperation({
  id: 'registry.check-trust',
  method: 'GET',
  path: '/registries/{name}/trust',
  summary:
    'Checks step by step whether a registry takes the tokens of the collector, and whether the collector hears of it. For managers who are responsible for it.',
  input: shape({name: RegistryName}),
  output: shape({
    registry: Type.String(),
    steps: Type.Array(
      shape({
        name: Type.Enum(['challenge', 'token', 'catalog', 'events', 'index']),
        status: Type.Enum(['ok', 'failed', 'skipped']),
        detail: Type.String(),
        hints: Type.Array(Type.String()),
      }),
    ),
  }),
  async run({name}, call) {
    const registry = await answerable(call, name, 'check')
    if (call.checkTrust === undefined) throw new HoldfastError('UNSUPPORTED', `cannot check registry "${name}": this collector asks none`)
    return {registry: name, steps: (await call.checkTrust(registry)).map(({hints, ...step}) => ({...step, hints: [...hints]}))}
  },
})

export const ACCESS_OPERATIONS = [explainAccess, searchRepositories, discoverRegistry, checkRegistryTrust]

async function accountOf({store}: Call, name: string): Promise<Account> {
  const service = serviceOfAccount(name)
  if (service !== undefined) return {kind: 'service', service: found(await store.findService(service), 'service', service)}
  return {kind: 'user', user: found(await store.findUser(name), 'user', name)}
}
