import {Type} from 'typebox'
import type {App} from '../objects.ts'
import {assertAdministrator, defineOperation, found, groupIds, shape} from './operation.ts'
import {AppCode, AppShape, GroupNames, Nothing, Removed} from './shapes.ts'

const Coded = shape({code: AppCode})
const Groups = {responsibles: Type.Optional(GroupNames), publications: Type.Optional(GroupNames)}

export const addApp = defineOperation({
  id: 'app.add',
  method: 'POST',
  path: '/apps',
  summary: 'Adds an app, whose images lie below apps/<code>/.',
  input: shape({code: AppCode, ...Groups}),
  output: AppShape,
  async run({code, responsibles, publications}, call) {
    assertAdministrator(call, `add app "${code}"`)
    const change = {responsibles: await groupIds(call, responsibles), publications: await groupIds(call, publications)}
    const app = await call.store.addApp(code)
    await call.store.updateApp(app.id, change)
    return plain(found(await call.store.findApp(code), 'app', code))
  },
})

export const listApps = defineOperation({
  id: 'app.list',
  method: 'GET',
  path: '/apps',
  summary: 'Lists the apps by code.',
  input: Nothing,
  output: shape({apps: Type.Array(AppShape)}),
  async run(_input, call) {
    assertAdministrator(call, 'list apps')
    return {apps: (await call.store.listApps()).map(plain)}
  },
})

const showApp = defineOperation({
  id: 'app.show',
  method: 'GET',
  path: '/apps/{code}',
  summary: 'Shows an app.',
  input: Coded,
  output: AppShape,
  async run({code}, call) {
    assertAdministrator(call, `show app "${code}"`)
    return plain(found(await call.store.findApp(code), 'app', code))
  },
})

export const updateApp = defineOperation({
  id: 'app.update',
  method: 'PATCH',
  path: '/apps/{code}',
  summary: 'Replaces the groups that answer for an app, or that it is published to.',
  input: shape({code: AppCode, ...Groups}),
  output: AppShape,
  async run({code, responsibles, publications}, call) {
    assertAdministrator(call, `change app "${code}"`)
    const app = found(await call.store.findApp(code), 'app', code)
    await call.store.updateApp(app.id, {responsibles: await groupIds(call, responsibles), publications: await groupIds(call, publications)})
    return plain(found(await call.store.findApp(code), 'app', code))
  },
})

export const removeApp = defineOperation({
  id: 'app.remove',
  method: 'DELETE',
  path: '/apps/{code}',
  summary: 'Removes an app with its services; the code is not given again.',
  input: Coded,
  output: Removed,
  async run({code}, call) {
    assertAdministrator(call, `remove app "${code}"`)
    await call.store.removeApp(found(await call.store.findApp(code), 'app', code).id)
    return {removed: code}
  },
})

export const APP_OPERATIONS = [addApp, listApps, showApp, updateApp, removeApp]

function plain(app: App) {
  return {...app, responsibles: [...app.responsibles], publications: [...app.publications]}
}
