import {Type} from 'typebox'
import {assertAdministrator, defineOperation, shape} from './operation.ts'
import {changeSettings, readSettings} from './settings-document.ts'
import {Nothing} from './shapes.ts'

const Policy = Type.Enum(['public', 'private'])
const ResponsibleSees = Type.Boolean({description: 'who answers for a registry or an app sees it though it was not published to him'})
const SettingsShape = shape({policy: Policy, responsibleSees: ResponsibleSees})

export const showSettings = defineOperation({
  id: 'settings.show',
  method: 'GET',
  path: '/settings',
  summary: 'Shows the settings of the collector.',
  input: Nothing,
  output: SettingsShape,
  async run(_input, call) {
    assertAdministrator(call, 'show the settings')
    return await readSettings(call.store)
  },
})

export const updateSettings = defineOperation({
  id: 'settings.update',
  method: 'PATCH',
  path: '/settings',
  summary: 'Changes the settings. Under the public policy every user has the three privileges.',
  input: shape({policy: Type.Optional(Policy), responsibleSees: Type.Optional(ResponsibleSees)}),
  output: SettingsShape,
  async run(change, call) {
    assertAdministrator(call, 'change the settings')
    return await changeSettings(call.store, change)
  },
})

export const SETTINGS_OPERATIONS = [showSettings, updateSettings]
