import type {Kysely} from 'kysely'
import type {Service} from '../objects.ts'
import type {ServiceStore} from '../store.ts'
import type {Bit, Tables} from './tables.ts'
import {bury} from './tombstones.ts'
import {inTransaction} from './transaction.ts'
import {now, present, refuseDuplicate, toBit} from './values.ts'

interface ServiceRow {
  readonly id: number
  readonly name: string
  readonly code: string
  readonly is_disabled: Bit
  readonly created_at: string
}

export function createServiceStore(database: Kysely<Tables>): ServiceStore {
  const services = () =>
    database
      .selectFrom('service')
      .innerJoin('app', 'app.id', 'service.app_id')
      .select(['service.id', 'service.name', 'app.code', 'service.is_disabled', 'service.created_at'])
  const find = async (name: string): Promise<Service | undefined> => {
    const row = await services().where('service.name', '=', name).executeTakeFirst()
    return row === undefined ? undefined : toService(row)
  }
  return {
    addService: ({name, appId, secretHash}) =>
      refuseDuplicate('service', name, 'add', async () => {
        await database
          .insertInto('service')
          .values({name, app_id: appId, secret_hash: secretHash, is_disabled: 0, created_at: now()})
          .execute()
        return toService(await services().where('service.name', '=', name).executeTakeFirstOrThrow())
      }),
    findService: find,
    async listServices() {
      return (await services().orderBy('service.name').execute()).map(toService)
    },
    async updateService(id, {secretHash, isDisabled}) {
      const change = present({secret_hash: secretHash, is_disabled: isDisabled === undefined ? undefined : toBit(isDisabled)})
      if (Object.keys(change).length > 0) await database.updateTable('service').set(change).where('id', '=', id).execute()
    },
    removeService: (id) => inTransaction(database, (transaction) => removeService(transaction, id)),
    async findSecretHash(id) {
      return (await database.selectFrom('service').select('secret_hash').where('id', '=', id).executeTakeFirst())?.secret_hash
    },
  }
}

/** Removes a service with its tokens. */
export async function removeService(transaction: Kysely<Tables>, id: number): Promise<void> {
  const found = await transaction
    .selectFrom('service')
    .innerJoin('app', 'app.id', 'service.app_id')
    .selectAll('service')
    .select('app.code')
    .where('service.id', '=', id)
    .executeTakeFirst()
  if (found === undefined) return
  const {secret_hash: _, code, ...row} = found
  await transaction.deleteFrom('service').where('id', '=', id).execute()
  await transaction.deleteFrom('refresh_token').where('subject_kind', '=', 'service').where('subject_id', '=', id).execute()
  await bury(transaction, 'service', {name: row.name, id, remains: {row, app: code}})
}

function toService({id, name, code, is_disabled, created_at}: ServiceRow): Service {
  return {id, name, app: code, isDisabled: is_disabled === 1, createdAt: created_at}
}
