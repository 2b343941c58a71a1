import assert from 'node:assert/strict'
import {once} from 'node:events'
import {mkdir, readFile, rm, stat, writeFile} from 'node:fs/promises'
import {type AddressInfo, createServer} from 'node:net'
import {join} from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import pg from 'pg'
import {openCollectorStore} from '../../src/lib/collector/sql/open.ts'
import type {CollectorStore} from '../../src/lib/collector/store.ts'
import {hasCode} from '../../src/lib/core/errors.ts'
import {digestOf} from '../../src/lib/oci/digest.ts'
import {parseRepositoryName, parseTag} from '../../src/lib/oci/reference.ts'
import {type Postgres, startPostgres} from '../support/postgres.ts'
import {needs} from '../support/required-program.ts'
import {runOk} from '../support/run-program.ts'
import {mountSmallDisk} from '../support/small-disk.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'
import {collectorSearchContract} from './collector-search.ts'
import {collectorStoreContract} from './collector-store.ts'

/** Repositories and a description, written and closed. */
async function fillForSearch(store: CollectorStore): Promise<void> {
  const facts = {insecure: false, restricted: true, tokenHeader: 'x5c', tokenLifeSeconds: 900} as const
  const {id} = await store.addManagedRegistry({name: 'lab', service: 'lab', url: 'https://lab.example.com', ...facts})
  const change = {kind: 'tag-set', at: '', tag: parseTag('v1'), digest: digestOf(Buffer.from('x')), mediaType: 'x'} as const
  await store.applyIndexChanges(
    id,
    ['users/ann/web', 'base'].map((name) => ({...change, repository: parseRepositoryName(name)})),
  )
  await store.describeRepository((await store.findRepository(id, parseRepositoryName('base')))?.id ?? 0, {description: 'Für ÄRZTE'})
  await store.close()
}

async function assertFound(store: CollectorStore): Promise<void> {
  const [registry] = await store.listManagedRegistries()
  const find = async (term: string, owners: readonly string[] | 'all') =>
    (await store.searchRepositories([{registryId: registry?.id ?? 0, owners}], term, 10)).results.map(({name}) => name)
  assert.deepEqual(await find('ärzte', 'all'), ['base'])
  assert.deepEqual(await find('web', ['users/ann']), ['users/ann/web'])
  assert.deepEqual(await find('we', ['users/ann']), ['users/ann/web'])
  assert.deepEqual(await find('web', ['users/bob']), [])
  await store.close()
}

async function query(connectionString: string, statements: string): Promise<void> {
  const client = new pg.Client({connectionString})
  await client.connect()
  await client.query(statements)
  await client.end()
}

const OPEN = new URL('../../src/lib/collector/sql/open.ts', import.meta.url).href

describe('the collector store over SQLite', () => {
  let directory: TemporaryDirectory
  let count = 0

  before(async () => {
    directory = await createTemporaryDirectory('collector-store')
  })
  after(() => directory.remove())

  collectorStoreContract(() => openCollectorStore({file: join(directory.path, `${count++}.db`)}))
  collectorSearchContract((limits) => openCollectorStore({file: join(directory.path, `${count++}.db`)}, undefined, limits))

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

  it('finds what an older Holdfast has written', async () => {
    const file = join(directory.path, 'older.db')
    await fillForSearch(await openCollectorStore({file}))
    const older = new DatabaseSync(file)
    older.exec(`DROP TABLE repository_search; DROP TRIGGER repository_search_added; DROP TRIGGER repository_search_removed;
      DROP TRIGGER repository_search_changed; DROP INDEX repository_owner; DROP INDEX repository_leaf; DROP INDEX repository_official;
      ALTER TABLE repository DROP COLUMN owner; ALTER TABLE repository DROP COLUMN leaf; ALTER TABLE repository DROP COLUMN description_key;
      DELETE FROM kysely_migration WHERE name LIKE '%-search'`)
    older.close()
    await assertFound(await openCollectorStore({file}, undefined, {few: 0, ranked: 10}))
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
  collectorSearchContract(async (limits) =>
    openCollectorStore({postgresUrl: await postgres.createDatabase(`c${count++}`)}, undefined, limits),
  )

  it('is made once by replicas that start together', async () => {
    const postgresUrl = await postgres.createDatabase('together')
    const stores = await Promise.all([1, 2, 3].map(() => openCollectorStore({postgresUrl})))
    assert.deepEqual(await Promise.all(stores.map(async (store) => (await store.listGroups()).length)), [3, 3, 3])
    for (const store of stores) await store.close()
  })

  it('finds what an older Holdfast has written', async () => {
    const postgresUrl = await postgres.createDatabase('older')
    await fillForSearch(await openCollectorStore({postgresUrl}))
    await query(
      postgresUrl,
      `DROP INDEX repository_owner, repository_leaf, repository_official, repository_name_search, repository_description_search;
       ALTER TABLE repository DROP COLUMN owner, DROP COLUMN leaf, DROP COLUMN description_key;
       DELETE FROM kysely_migration WHERE name LIKE '%-search'`,
    )
    await assertFound(await openCollectorStore({postgresUrl}, undefined, {few: 0, ranked: 10}))
  })

  it('names the command where the account may not create pg_trgm, and opens once it is there', async () => {
    const administrator = await postgres.createDatabase('poor')
    await query(administrator, "CREATE ROLE poor LOGIN PASSWORD 'poor'; GRANT CREATE, USAGE ON SCHEMA public TO poor")
    const postgresUrl = administrator.replace('postgres:postgres@', 'poor:poor@')
    await assert.rejects(openCollectorStore({postgresUrl}), (error) => {
      assert.ok(hasCode(error, 'CONFIGURATION'), String(error))
      assert.match(error.message, /^cannot open "PostgreSQL": search takes the extension pg_trgm, which this account cannot create/)
      assert.match(error.hints[0] ?? '', /^sudo -u postgres psql --dbname poor --command 'CREATE EXTENSION pg_trgm'/)
      return true
    })
    await query(administrator, 'CREATE EXTENSION pg_trgm')
    const store = await openCollectorStore({postgresUrl})
    await fillForSearch(store)
    await assertFound(await openCollectorStore({postgresUrl}, undefined, {few: 0, ranked: 10}))
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
