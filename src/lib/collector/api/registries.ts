import {isIP} from 'node:net'
import {Type} from 'typebox'
import {createAddressPolicy} from '../../core/address-policy.ts'
import {HoldfastError} from '../../core/errors.ts'
import {shellCommand} from '../../core/shell.ts'
import {EMBEDDED_REGISTRY, type ManagedRegistry} from '../objects.ts'
import {assertPrivilege, type Call, defineOperation, found, groupIds, shape} from './operation.ts'
import {
  GroupNames,
  ManagedRegistryShape,
  Nothing,
  RegistryName,
  RegistryService,
  Removed,
  TokenHeaderForm,
  TypedRegistryUrl,
} from './shapes.ts'

/** The shortest that clients know: what is left out counts as 60 s (distribution's token specification). */
const MIN_TOKEN_LIFE_SECONDS = 60
const MAX_TOKEN_LIFE_SECONDS = 86_400
const DEFAULT_TOKEN_LIFE_SECONDS = 900

const Named = shape({name: RegistryName})
const Facts = {
  service: Type.Optional(RegistryService),
  insecure: Type.Optional(Type.Boolean()),
  restricted: Type.Optional(Type.Boolean()),
  publications: Type.Optional(GroupNames),
  responsibles: Type.Optional(GroupNames),
  tokenHeader: Type.Optional(TokenHeaderForm),
  tokenLifeSeconds: Type.Optional(Type.Integer({minimum: MIN_TOKEN_LIFE_SECONDS, maximum: MAX_TOKEN_LIFE_SECONDS})),
}

export const manageRegistry = defineOperation({
  id: 'registry.manage',
  method: 'POST',
  path: '/registries',
  summary:
    'Makes the collector the authority of a registry. Unless groups are named, the primary group of the user who does so is responsible for it, and sees it alone.',
  input: shape({name: RegistryName, url: TypedRegistryUrl, ...Facts}),
  output: ManagedRegistryShape,
  async run({name, url: typed, service, insecure = false, restricted = true, tokenHeader = 'x5c', tokenLifeSeconds, ...groups}, call) {
    await assertPrivilege(call, 'Manager', `manage registry "${name}"`)
    const url = withoutSlash(typed)
    assertNoMetadata(name, url)
    assertNotReserved(call, name, service)
    const own =
      groups.responsibles !== undefined && groups.publications !== undefined ? [] : primaryGroupOf(call, {name, url}, groups.responsibles)
    const responsibles = await groupIds(call, groups.responsibles ?? own)
    const publications = await groupIds(call, groups.publications ?? own)
    const registry = await call.store.addManagedRegistry({
      name,
      url,
      service: service ?? new URL(url).host,
      insecure,
      restricted,
      tokenHeader,
      tokenLifeSeconds: tokenLifeSeconds ?? DEFAULT_TOKEN_LIFE_SECONDS,
    })
    await call.store.updateManagedRegistry(registry.id, {responsibles, publications})
    return plain(await find(call, name))
  },
})

export const listManagedRegistries = defineOperation({
  id: 'registry.managed',
  method: 'GET',
  path: '/registries',
  summary: 'Lists the registries that the collector is the authority of; to a user those that he sees.',
  input: Nothing,
  output: shape({registries: Type.Array(ManagedRegistryShape)}),
  async run(_input, call) {
    return {registries: (await call.store.listManagedRegistries()).filter((registry) => isVisible(call, registry)).map(plain)}
  },
})

export const showManagedRegistry = defineOperation({
  id: 'registry.show-managed',
  method: 'GET',
  path: '/registries/{name}',
  summary: 'Shows a managed registry.',
  input: Named,
  output: ManagedRegistryShape,
  async run({name}, call) {
    const registry = await call.store.findManagedRegistry({name})
    return plain(found(registry !== undefined && isVisible(call, registry) ? registry : undefined, 'registry', name))
  },
})

export const updateManagedRegistry = defineOperation({
  id: 'registry.update-managed',
  method: 'PATCH',
  path: '/registries/{name}',
  summary: 'Changes a managed registry. Groups that are given replace those that were.',
  input: shape({name: RegistryName, url: Type.Optional(TypedRegistryUrl), ...Facts}),
  output: ManagedRegistryShape,
  async run({name, responsibles, publications, url, ...others}, call) {
    const facts = {...others, ...(url === undefined ? {} : {url: withoutSlash(url)})}
    const registry = await answerable(call, name, 'change')
    if (facts.url !== undefined) assertNoMetadata(name, facts.url)
    if (name !== EMBEDDED_REGISTRY) assertNotReserved(call, name, facts.service)
    await call.store.updateManagedRegistry(registry.id, {
      ...facts,
      responsibles: await groupIds(call, responsibles),
      publications: await groupIds(call, publications),
    })
    return plain(await find(call, name))
  },
})

export const renewEventsSecret = defineOperation({
  id: 'registry.renew-events-secret',
  method: 'POST',
  path: '/registries/{name}/events-secret',
  summary: 'Gives a new secret for the notifications of a registry; the old one ends at once.',
  input: Named,
  output: shape({registry: Type.String(), secret: Type.String({description: 'shown this once: the collector keeps a hash of it'})}),
  async run({name}, call) {
    const registry = await answerable(call, name, 'renew the secret of')
    const {secret, hash} = call.secrets.makeEventsSecret()
    await call.store.updateManagedRegistry(registry.id, {eventsSecretHash: hash})
    return {registry: name, secret: secret.reveal()}
  },
})

export const unmanageRegistry = defineOperation({
  id: 'registry.unmanage',
  method: 'DELETE',
  path: '/registries/{name}',
  summary: 'Gives up the authority over a registry, and what is known of its repositories. Its images stay.',
  input: Named,
  output: Removed,
  async run({name}, call) {
    await call.store.removeManagedRegistry((await answerable(call, name, 'unmanage')).id)
    return {removed: name}
  },
})

export const REGISTRY_OPERATIONS = [
  manageRegistry,
  listManagedRegistries,
  showManagedRegistry,
  updateManagedRegistry,
  renewEventsSecret,
  unmanageRegistry,
]

/**
 * The groups of a new registry that names none: as few as can be. A user without groups could not change the registry again.
 * @throws {HoldfastError} USAGE
 */
function primaryGroupOf(
  {caller}: Call,
  {name: registry, url}: Pick<ManagedRegistry, 'name' | 'url'>,
  responsibles: readonly string[] | undefined,
): readonly string[] {
  if (caller.kind === 'machine') return []
  const {name, groups, primaryGroup, isAdministrator} = caller.user
  const [first, ...others] = groups
  const only = primaryGroup ?? (others.length === 0 ? first : undefined)
  if (only !== undefined) return [only]
  // What the user is not responsible for is an administrator's to give.
  if (isAdministrator || responsibles !== undefined) return []
  const reason =
    first === undefined
      ? 'you are in no group that could be responsible for it'
      : `none of your groups (${groups.join(', ')}) is the primary one`
  throw new HoldfastError('USAGE', `cannot manage registry "${registry}": ${reason}`, {
    hints:
      first === undefined
        ? [`holdfast group add-member GROUP ${name}   # by an administrator`]
        : [
            shellCommand`holdfast registry manage ${registry} --url ${url} --responsible ${first} --publication ${first}`,
            `${shellCommand`holdfast user update ${name} --primary-group ${first}`}   # by an administrator`,
          ],
  })
}

/** `serve` makes its registry known itself: a user who did so before would answer for it. @throws {HoldfastError} USAGE */
function assertNotReserved({caller}: Call, name: string, service: string | undefined): void {
  const isTaken = name === EMBEDDED_REGISTRY ? caller.kind === 'user' && !caller.user.isAdministrator : service === EMBEDDED_REGISTRY
  if (!isTaken) return
  throw new HoldfastError('USAGE', `cannot manage registry "${name}": "${EMBEDDED_REGISTRY}" is the registry of serve`, {
    hints: ['holdfast serve --authenticate'],
  })
}

const isAnyRegistryAddress = createAddressPolicy([])

/** @throws {HoldfastError} USAGE */
function assertNoMetadata(name: string, url: string): void {
  // `URL` writes every spelling of an IPv4 address, octal and hexadecimal ones too, as four numbers.
  const host = URL.canParse(url) ? new URL(url).hostname.replace(/^\[(.*)\]$/, '$1') : ''
  if (isIP(host) === 0 ? host !== '' : isAnyRegistryAddress(host)) return
  throw new HoldfastError('USAGE', `cannot manage registry "${name}": no registry is at "${url}"`, {
    hints: [`holdfast registry manage ${name} --url https://registry.example.com`],
  })
}

const withoutSlash = (url: string): string => url.replace(/\/$/, '')

async function find({store}: Call, name: string): Promise<ManagedRegistry> {
  return found(await store.findManagedRegistry({name}), 'registry', name)
}

function isVisible({caller}: Call, {publications, responsibles}: ManagedRegistry): boolean {
  if (caller.kind === 'machine' || caller.user.isAdministrator) return true
  return caller.user.groups.some((group) => publications.includes(group) || responsibles.includes(group))
}

/**
 * A registry that the caller is responsible for and may manage.
 * @throws {HoldfastError} OBJECT_NOT_FOUND when the caller does not see it; DENIED.
 */
export async function answerable(call: Call, name: string, verb: string): Promise<ManagedRegistry> {
  const registry = await find(call, name)
  const {caller} = call
  if (caller.kind === 'machine' || caller.user.isAdministrator) return registry
  if (!isVisible(call, registry)) return found<ManagedRegistry>(undefined, 'registry', name)
  await assertPrivilege(call, 'Manager', `${verb} registry "${name}"`)
  if (caller.user.groups.some((group) => registry.responsibles.includes(group))) return registry
  throw new HoldfastError('DENIED', `cannot ${verb} registry "${name}": none of your groups answers for it`, {
    hints: [`holdfast registry managed`],
  })
}

function plain(registry: ManagedRegistry) {
  return {...registry, publications: [...registry.publications], responsibles: [...registry.responsibles]}
}
