import assert from 'node:assert/strict'
import {once} from 'node:events'
import {mkdir, readFile, rm, stat, writeFile} from 'node:fs/promises'
import {type AddressInfo, createServer} from 'node:net'
import {join} from 'node:path'
import {openCollectorStore} from '../../src/lib/collector/sql/open.ts'
import {hasCode} from '../../src/lib/core/errors.ts'
import {type Postgres, startPostgres} from '../support/postgres.ts'
import {needs} from '../support/required-program.ts'
import {runOk} from '../support/run-program.ts'
import {mountSmallDisk} from '../support/small-disk.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'
import {collectorStoreContract} from './collector-store.ts'

const OPEN = new URL('../../src/lib/collector/sql/open.ts', import.meta.url).href

describe('the collector store over SQLite', () => {
  let directory: TemporaryDirectory
  let count = 0

  before(async () => {
    directory = await createTemporaryDirectory('collector-store')
  })
  after(() => directory.remove())

  collectorStoreContract(() => openCollectorStore({file: join(directory.path, `${count++}.db`)}))

  it('is a file that its owner alone reads, and is there again when it is opened again', async () => {
    const file = join(directory.path, 'again.db')
    const first = await openCollectorStore({file})
    await first.addUser({name: 'ann', source: 'internal'})
    await first.close()
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const second = await openCollectorStore({file})
    assert.equal((await second.findUser('ann'))?.name, 'ann')
    await second.close()
  })

  it('serves several processes at once, none of whose writes is lost', async () => {
    const file = join(directory.path, 'shared.db')
    const writer = (name: string): string => `
      const {openCollectorStore} = await import(${JSON.stringify(OPEN)})
      const store = await openCollectorStore({file: ${JSON.stringify(file)}})
      for (let n = 0; n < 20; n++) await store.addUser({name: '${name}-' + n, source: 'internal'})
      await store.close()`
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => runOk(process.execPath, ['--input-type=module', '--eval', writer(name)])))
    const store = await openCollectorStore({file})
    assert.equal((await store.listUsers()).length, 80)
    await store.close()
  })

  it('fails with STORAGE while its disk is full, can be read meanwhile, and goes on when there is room again', async function () {
    const folder = join(directory.path, 'small')
    await mkdir(folder)
    const disk = await mountSmallDisk(this, folder, 4 * 1024 * 1024)
    const store = await openCollectorStore({file: join(folder, 'c.db')})
    try {
      await store.addGroup('before')
      await writeFile(join(folder, 'filler'), Buffer.alloc(8 * 1024 * 1024)).catch(() => {})
      const fill = async (): Promise<void> => {
        for (let count = 0; count < 10_000; count++) await store.addGroup(`group-${count}`)
      }
      await assert.rejects(fill(), (error) => hasCode(error, 'STORAGE'))
      assert.equal((await store.findGroup('before'))?.name, 'before')
      await rm(join(folder, 'filler'))
      assert.equal((await store.addGroup('after')).name, 'after')
    } finally {
      await store.close()
      await disk.unmount()
    }
  })

  it('is refused by name when the file is something else', async () => {
    const file = join(directory.path, 'other.db')
    const content = 'not a database, but a text that is long enough to be looked at'.repeat(20)
    await writeFile(file, content)
    await assert.rejects(openCollectorStore({file}), (error) => hasCode(error, 'CONFIGURATION'))
    assert.equal(await readFile(file, 'utf8'), content)
  })
})

describe('the collector store over PostgreSQL', function () {
  this.timeout(60_000)
  needs('postgres', 'initdb', 'setpriv')
  let postgres: Postgres
  let count = 0

  before(async () => {
    postgres = await startPostgres()
  })
  after(() => postgres?.stop())

  collectorStoreContract(async () => openCollectorStore({postgresUrl: await postgres.createDatabase(`c${count++}`)}))

  it('is made once by replicas that start together', async () => {
    const postgresUrl = await postgres.createDatabase('together')
    const stores = await Promise.all([1, 2, 3].map(() => openCollectorStore({postgresUrl})))
    assert.deepEqual(await Promise.all(stores.map(async (store) => (await store.listGroups()).length)), [3, 3, 3])
    for (const store of stores) await store.close()
  })

  it('outlives its database, whatever was under way, and can then be closed', async () => {
    const dying = await startPostgres()
    const store = await openCollectorStore({postgresUrl: await dying.createDatabase('dying')})
    let failures = 0
    const write = async (writer: number): Promise<void> => {
      for (let count = 0; ; count++) {
        try {
          await store.addGroup(`g-${writer}-${count}`)
        } catch (error) {
          assert.ok(hasCode(error, 'STORAGE'), String(error))
          failures++
          return
        }
      }
    }
    const writers = Array.from({length: 20}, (_, writer) => write(writer))
    await until(async () => (await store.listGroups()).length > 20)
    await dying.stop()
    await Promise.all(writers)
    assert.equal(failures, 20)
    await assert.rejects(store.listGroups(), (error) => hasCode(error, 'STORAGE'))
    await store.close()
  })

  it('can be closed while its database says nothing more', async () => {
    const silent = createServer((socket) => void socket.on('error', () => {}).resume()).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const {port} = silent.address() as AddressInfo
    const end = new AbortController()
    const opening = openCollectorStore({postgresUrl: `postgres://nobody@127.0.0.1:${port}/x`}, end.signal)
    await once(silent, 'connection')
    end.abort(new Error('told to'))
    await assert.rejects(opening, /told to/)
    silent.close()
  })

  it('is a storage error when nobody listens there', async () => {
    await assert.rejects(openCollectorStore({postgresUrl: 'postgres://nobody:canary@127.0.0.1:1/x'}), (error) => {
      assert.ok(hasCode(error, 'STORAGE') && !String(error).includes('canary'))
      return true
    })
  })
})
