/** Security groups for staging (API v3, security groups): administrators' business. */
import type {Controller} from './controller.ts'
import {requireText, textAt, valueAt} from './fields.ts'
import {findByName} from './find.ts'

interface Rule {
  readonly protocol: string
  readonly destination: string
  readonly ports: string
}

/**
 * Makes a security group of that name have just these rules, and be for the staging of a space; what is so already is left alone.
 * @throws {HoldfastError} DENIED for who is no administrator; as `Controller.send`.
 */
export async function ensureStagingGroup(
  controller: Controller,
  name: string,
  rules: readonly Rule[],
  spaceGuid: string,
): Promise<'created' | 'updated' | 'unchanged'> {
  const purpose = `change security group "${name}"`
  const known = await findByName(controller, '/v3/security_groups', name, {purpose})
  if (known === undefined) {
    await controller.send('POST', '/v3/security_groups', {
      json: {name, rules, relationships: {staging_spaces: {data: [{guid: spaceGuid}]}}},
      purpose,
    })
    return 'created'
  }
  const guid = requireText(purpose, known, 'guid')
  const hasRules = sameRules(valueAt(known, 'rules'), rules)
  const bound: unknown = valueAt(known, 'relationships', 'staging_spaces', 'data')
  const isBound = Array.isArray(bound) && bound.some((space) => textAt(space, 'guid') === spaceGuid)
  if (!hasRules) await controller.send('PATCH', `/v3/security_groups/${guid}`, {json: {rules}, purpose})
  if (!isBound) {
    await controller.send('POST', `/v3/security_groups/${guid}/relationships/staging_spaces`, {json: {data: [{guid: spaceGuid}]}, purpose})
  }
  return hasRules && isBound ? 'unchanged' : 'updated'
}

/** In whatever order, and with whatever else the foundation adds. */
function sameRules(known: unknown, wanted: readonly Rule[]): boolean {
  if (!Array.isArray(known) || known.length !== wanted.length) return false
  const write = (rule: unknown): string => ['protocol', 'destination', 'ports'].map((name) => textAt(rule, name)).join(' ')
  return known.map(write).sort().join('\n') === wanted.map(write).sort().join('\n')
}
