import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {openSqliteStore} from '../../src/lib/collector/sqlite/open-store.ts'
import {collectorStoreContract} from './collector-store.ts'

describe('the sqlite collector store', () => {
  let directory: string
  let count = 0

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-store-'))
  })
  after(() => rm(directory, {recursive: true}))

  collectorStoreContract(() => openSqliteStore({file: join(directory, `${count++}.db`)}))
})
