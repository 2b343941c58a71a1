import {Type} from 'typebox'
import type {Service} from '../objects.ts'
import {assertAdministrator, type Call, defineOperation, found, shape} from './operation.ts'
import {AppCode, Nothing, Removed, ServiceName, ServiceShape} from './shapes.ts'

const Named = shape({name: ServiceName})
const WithSecret = shape({service: ServiceShape, secret: Type.String({description: 'shown this once: the collector keeps a hash of it'})})

export const addService = defineOperation({
  id: 'service.add',
  method: 'POST',
  path: '/services',
  summary: 'Adds a service of an app, and gives its secret.',
  input: shape({name: ServiceName, app: AppCode}),
  output: WithSecret,
  async run({name, app}, call) {
    assertAdministrator(call, `add service "${name}"`)
    const {id} = found(await call.store.findApp(app), 'app', app)
    const {secret, hash} = call.secrets.makeServiceSecret()
    const service = await call.store.addService({name, appId: id, secretHash: hash})
    return {service: {...service}, secret: secret.reveal()}
  },
})

export const listServices = defineOperation({
  id: 'service.list',
  method: 'GET',
  path: '/services',
  summary: 'Lists the services by name.',
  input: Nothing,
  output: shape({services: Type.Array(ServiceShape)}),
  async run(_input, call) {
    assertAdministrator(call, 'list services')
    return {services: (await call.store.listServices()).map((service) => ({...service}))}
  },
})

export const showService = defineOperation({
  id: 'service.show',
  method: 'GET',
  path: '/services/{name}',
  summary: 'Shows a service.',
  input: Named,
  output: ServiceShape,
  async run({name}, call) {
    assertAdministrator(call, `show service "${name}"`)
    return {...(await find(call, name))}
  },
})

export const updateService = defineOperation({
  id: 'service.update',
  method: 'PATCH',
  path: '/services/{name}',
  summary: 'Disables a service, or enables it again.',
  input: shape({name: ServiceName, isDisabled: Type.Boolean()}),
  output: ServiceShape,
  async run({name, isDisabled}, call) {
    assertAdministrator(call, `change service "${name}"`)
    const {id} = await find(call, name)
    await call.store.updateService(id, {isDisabled})
    if (isDisabled) await call.store.revokeRefreshTokens({subject: {kind: 'service', id}})
    return {...(await find(call, name))}
  },
})

export const renewServiceSecret = defineOperation({
  id: 'service.renew-secret',
  method: 'POST',
  path: '/services/{name}/secret',
  summary: 'Gives a service a new secret; the old one, and what it was exchanged for, ends at once.',
  input: Named,
  output: WithSecret,
  async run({name}, call) {
    assertAdministrator(call, `renew the secret of service "${name}"`)
    const service = await find(call, name)
    const {secret, hash} = call.secrets.makeServiceSecret()
    await call.store.updateService(service.id, {secretHash: hash})
    await call.store.revokeRefreshTokens({subject: {kind: 'service', id: service.id}})
    return {service: {...service}, secret: secret.reveal()}
  },
})

export const removeService = defineOperation({
  id: 'service.remove',
  method: 'DELETE',
  path: '/services/{name}',
  summary: 'Removes a service.',
  input: Named,
  output: Removed,
  async run({name}, call) {
    assertAdministrator(call, `remove service "${name}"`)
    await call.store.removeService((await find(call, name)).id)
    return {removed: name}
  },
})

export const SERVICE_OPERATIONS = [addService, listServices, showService, updateService, renewServiceSecret, removeService]

async function find({store}: Call, name: string): Promise<Service> {
  return found(await store.findService(name), 'service', name)
}
