/** Organizations and spaces by name (API v3). */
import {HoldfastError} from '../core/errors.ts'
import type {Controller} from './controller.ts'
import {requireText, textAt} from './fields.ts'
import {findByName} from './find.ts'
import type {NamedGuid} from './session.ts'

/** @throws {HoldfastError} OBJECT_NOT_FOUND */
export async function findOrganization(controller: Controller, name: string): Promise<NamedGuid> {
  return await findNamed(controller, '/v3/organizations', name, {}, `org "${name}"`)
}

/** @throws {HoldfastError} OBJECT_NOT_FOUND */
export async function findSpace(controller: Controller, organization: NamedGuid, name: string): Promise<NamedGuid> {
  const what = `space "${name}" of org "${organization.name}"`
  return await findNamed(controller, '/v3/spaces', name, {organization_guids: organization.guid}, what)
}

export interface SpaceOfOrganization extends NamedGuid {
  readonly organization: NamedGuid
}

/** Every space that the caller sees, whatever it may do there. */
export async function listSpaces(controller: Controller): Promise<readonly SpaceOfOrganization[]> {
  const purpose = 'list spaces'
  const organizations = new Map<string, string>()
  for await (const json of controller.list('/v3/organizations', {purpose}))
    organizations.set(requireText(purpose, json, 'guid'), requireText(purpose, json, 'name'))
  const spaces: SpaceOfOrganization[] = []
  for await (const json of controller.list('/v3/spaces', {query: {order_by: 'name'}, purpose})) {
    const guid = textAt(json, 'relationships', 'organization', 'data', 'guid') ?? ''
    const organization = {guid, name: organizations.get(guid) ?? guid}
    spaces.push({guid: requireText(purpose, json, 'guid'), name: requireText(purpose, json, 'name'), organization})
  }
  return spaces
}

async function findNamed(
  controller: Controller,
  path: string,
  name: string,
  query: Readonly<Record<string, string>>,
  what: string,
): Promise<NamedGuid> {
  const purpose = `find ${what}`
  const found = await findByName(controller, path, name, {purpose, query})
  if (found !== undefined) return {guid: requireText(purpose, found, 'guid'), name}
  throw new HoldfastError('OBJECT_NOT_FOUND', `cannot ${purpose}: it is not there, or not for you to see`, {
    hints: ['cf orgs', 'cf spaces'],
  })
}
