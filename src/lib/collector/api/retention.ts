import {Type} from 'typebox'
import {changeRetention, MAX_RETENTION_DAYS, purgeNow, readRetention} from '../retention.ts'
import {assertAdministrator, defineOperation, shape} from './operation.ts'
import {Nothing} from './shapes.ts'

const Days = Type.Integer({minimum: 1, maximum: MAX_RETENTION_DAYS})
const RetentionShape = shape({
  auditDays: Type.Integer({description: 'days that entries of the audit log are kept'}),
  eventDays: Type.Integer({description: 'days that events are kept; what they changed stays'}),
})
const Count = Type.Integer()
const PurgedShape = shape({
  audit: Count,
  events: Count,
  refreshTokens: Count,
  sessions: Count,
  loginKeys: Type.Integer({description: 'accounts and addresses of failed and successful logins'}),
})

export const showRetention = defineOperation({
  id: 'retention.show',
  method: 'GET',
  path: '/retention',
  summary: 'Shows how long the audit log and events are kept.',
  input: Nothing,
  output: RetentionShape,
  async run(_input, call) {
    assertAdministrator(call, 'show the retention')
    return {...(await readRetention(call.store))}
  },
})

export const updateRetention = defineOperation({
  id: 'retention.update',
  method: 'PATCH',
  path: '/retention',
  summary: 'Changes how long the audit log and events are kept. What is older is removed within the hour.',
  input: shape({auditDays: Type.Optional(Days), eventDays: Type.Optional(Days)}),
  output: RetentionShape,
  async run(change, call) {
    assertAdministrator(call, 'change the retention')
    return {...(await changeRetention(call.store, change))}
  },
})

export const purgeRecords = defineOperation({
  id: 'retention.purge',
  method: 'POST',
  path: '/retention/purge',
  summary: 'Removes now what is kept no longer.',
  input: Nothing,
  output: PurgedShape,
  async run(_input, call) {
    assertAdministrator(call, 'remove what is kept no longer')
    return {...(await purgeNow(call.store, call.now()))}
  },
})

/** What `collector retention` prints. */
export const RetentionResult = shape({...RetentionShape.properties, purged: Type.Optional(PurgedShape)})

export const RETENTION_OPERATIONS = [showRetention, updateRetention, purgeRecords]
