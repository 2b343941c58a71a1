/** Which app may reach which over the internal network (network policy API v1, external). */
import type {CloudFoundryApp} from './apps.ts'
import type {Controller} from './controller.ts'
import {textAt, valueAt} from './fields.ts'

/**
 * Lets one app reach another at a TCP port; what is so already is left alone.
 * @param server The foundation's `network_policy_v1`, as its root names it.
 * @throws {HoldfastError} DENIED for who may write no policies.
 */
export async function allowTraffic(
  controller: Controller,
  server: string,
  {from, to, port}: {readonly from: CloudFoundryApp; readonly to: CloudFoundryApp; readonly port: number},
): Promise<'created' | 'unchanged'> {
  const purpose = `let app "${from.name}" reach app "${to.name}" at port ${port}`
  const policies = new URL(`${server.replace(/\/$/, '')}/policies`)
  const known = await controller.send('GET', policies, {query: {source_id: from.guid}, purpose})
  const list: unknown = valueAt(known, 'policies')
  const isThere = (Array.isArray(list) ? list : []).some(
    (policy) =>
      textAt(policy, 'destination', 'id') === to.guid &&
      textAt(policy, 'destination', 'protocol') === 'tcp' &&
      Number(valueAt(policy, 'destination', 'ports', 'start')) <= port &&
      Number(valueAt(policy, 'destination', 'ports', 'end')) >= port,
  )
  if (isThere) return 'unchanged'
  const destination = {id: to.guid, protocol: 'tcp', ports: {start: port, end: port}}
  await controller.send('POST', policies, {json: {policies: [{source: {id: from.guid}, destination}]}, purpose})
  return 'created'
}
