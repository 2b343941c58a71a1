/** Service instances and their keys (API v3): what a broker makes for a space, once. */
import {HoldfastError} from '../core/errors.ts'
import {encodeFilter} from './apps.ts'
import type {Controller} from './controller.ts'
import {requireText, textAt, valueAt} from './fields.ts'
import {findByName} from './find.ts'
import {poll, type Waiting} from './releases.ts'

/** Brokers that make databases take this long; buckets do not. */
const BROKER_TIMEOUT_MS = 15 * 60_000

export interface WantedKey {
  readonly instance: string
  readonly offering: string
  readonly plan: string
  readonly key: string
}

export interface ServiceKey {
  readonly credentials: unknown
  readonly instance: 'created' | 'there'
  readonly key: 'created' | 'there'
}

/**
 * Sees to a service instance and a key of it; done again it makes nothing.
 * @throws {HoldfastError} OBJECT_NOT_FOUND for a plan that the space has not; PLATFORM_REFUSED when the broker fails; TIMEOUT
 */
export async function ensureServiceKey(
  controller: Controller,
  spaceGuid: string,
  wanted: WantedKey,
  waiting: Waiting,
): Promise<ServiceKey> {
  const known = await findGuid(controller, '/v3/service_instances', wanted.instance, {space_guids: spaceGuid})
  const instanceGuid = known ?? (await createInstance(controller, spaceGuid, wanted))
  await awaitOperation(controller, `/v3/service_instances/${instanceGuid}`, `make service "${wanted.instance}"`, waiting)
  const purpose = `make key "${wanted.key}" of service "${wanted.instance}"`
  const query = {type: 'key', service_instance_guids: instanceGuid}
  const knownKey = await findGuid(controller, '/v3/service_credential_bindings', wanted.key, query)
  if (knownKey === undefined) {
    await controller.send('POST', '/v3/service_credential_bindings', {
      json: {type: 'key', name: wanted.key, relationships: {service_instance: {data: {guid: instanceGuid}}}},
      purpose,
    })
  }
  // A broker may take its time, and the answer to the request names a job then and no key.
  const keyGuid =
    knownKey ??
    (await poll(purpose, waiting, BROKER_TIMEOUT_MS, () => findGuid(controller, '/v3/service_credential_bindings', wanted.key, query)))
  await awaitOperation(controller, `/v3/service_credential_bindings/${keyGuid}`, purpose, waiting)
  const details = await controller.send('GET', `/v3/service_credential_bindings/${keyGuid}/details`, {purpose})
  return {
    credentials: valueAt(details, 'credentials'),
    instance: known === undefined ? 'created' : 'there',
    key: knownKey === undefined ? 'created' : 'there',
  }
}

async function createInstance(controller: Controller, spaceGuid: string, {instance, offering, plan}: WantedKey): Promise<string> {
  const purpose = `make service "${instance}"`
  const query = {service_offering_names: encodeFilter(offering), space_guids: spaceGuid}
  const planGuid = await findGuid(controller, '/v3/service_plans', plan, query)
  if (planGuid === undefined) {
    throw new HoldfastError('OBJECT_NOT_FOUND', `cannot ${purpose}: the space has no plan "${plan}" of service "${offering}"`, {
      hints: ['cf marketplace'],
    })
  }
  const relationships = {space: {data: {guid: spaceGuid}}, service_plan: {data: {guid: planGuid}}}
  await controller.send('POST', '/v3/service_instances', {json: {type: 'managed', name: instance, relationships}, purpose})
  const guid = await findGuid(controller, '/v3/service_instances', instance, {space_guids: spaceGuid})
  if (guid !== undefined) return guid
  throw new HoldfastError('PLATFORM_REFUSED', `cannot ${purpose}: the foundation has taken the request and has none`)
}

async function awaitOperation(controller: Controller, path: string, purpose: string, waiting: Waiting): Promise<void> {
  await poll(purpose, waiting, BROKER_TIMEOUT_MS, async () => {
    const json = await controller.send('GET', path, {purpose})
    const state = textAt(json, 'last_operation', 'state')
    if (state === undefined || state === 'succeeded') return true
    if (state !== 'failed') return undefined
    const reason = textAt(json, 'last_operation', 'description') ?? 'its broker does not say why'
    throw new HoldfastError('PLATFORM_REFUSED', `cannot ${purpose}: ${reason}`, {hints: ['cf services']})
  })
}

async function findGuid(
  controller: Controller,
  path: string,
  name: string,
  query: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  const purpose = `find "${name}"`
  const found = await findByName(controller, path, name, {purpose, query})
  return found === undefined ? undefined : requireText(purpose, found, 'guid')
}
