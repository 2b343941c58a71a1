import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {openSqliteStore} from '../../src/lib/records/sqlite/open-store.ts'
import {recordStoreContract} from './record-store.ts'

describe('the sqlite record store', () => {
  let directory: string
  let count = 0

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-store-'))
  })
  after(() => rm(directory, {recursive: true}))

  recordStoreContract(() => openSqliteStore({file: join(directory, `${count++}.db`)}))
})
