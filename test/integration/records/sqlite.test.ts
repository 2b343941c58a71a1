import assert from 'node:assert/strict'
import {once} from 'node:events'
import {chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {openSqliteStore} from '../../../src/lib/records/sqlite/open-store.ts'
import {image, registry} from '../../contract/record-store.ts'
import {spawnChild} from '../../support/child-process.ts'

const MODE_BITS = 0o777
const OTHER_USER = 12_345
const openStoreModule = new URL('../../../src/lib/records/sqlite/open-store.ts', import.meta.url)

/** Runs `body` in a process of its own, with `store` opened on `file`. */
function writer(file: string, body: string, user: {readonly uid?: number; readonly gid?: number} = {}) {
  const script = `
    const {openSqliteStore} = await import(${JSON.stringify(openStoreModule.href)})
    const store = await openSqliteStore({file: ${JSON.stringify(file)}})
    ${body}`
  return spawnChild(process.execPath, ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...user,
  })
}

async function outcome(child: ReturnType<typeof writer>): Promise<{code: number | null; stderr: string}> {
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = await once(child, 'close')
  return {code: Number(code), stderr}
}

/** Makes a database what it was before apps of one name were told apart. */
const WITHOUT_OWNERS = `ALTER TABLE app DROP COLUMN previous_staged;
  ALTER TABLE cached_image DROP COLUMN owner;
  DROP TABLE image_claim;
  CREATE TABLE image_claim (
    source TEXT NOT NULL, registry TEXT NOT NULL, app TEXT NOT NULL, platforms TEXT NOT NULL, repository TEXT NOT NULL,
    PRIMARY KEY (source, registry, app, platforms)
  ) STRICT, WITHOUT ROWID`

const STAGED = {source: 'alpine:3.20', sourceDigest: 'sha256:1', cached: 'new', stagedAt: '2026-01-01T00:00:00.000Z'}

describe('the embedded database file', () => {
  let directory: string
  let file: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-sqlite-'))
    file = join(directory, 'data', 'holdfast.db')
  })
  afterEach(() => rm(directory, {recursive: true}))

  it('is readable by its owner alone, and so are its folder and its log', async () => {
    const store = await openSqliteStore({file})
    await store.saveRegistry(registry('a'))
    assert.equal((await stat(join(directory, 'data'))).mode & MODE_BITS, 0o700)
    for (const name of [file, `${file}-wal`]) assert.equal((await stat(name)).mode & MODE_BITS, 0o600, name)
    store.close()
  })

  it('keeps what was written when it is opened again', async () => {
    const first = await openSqliteStore({file})
    await first.recordCachedImage(image())
    first.close()
    const second = await openSqliteStore({file})
    assert.deepEqual(await second.searchCachedImages(), [image()])
    second.close()
  })

  it('loses nothing when 20 processes open a fresh file and write at once', async () => {
    const children = Array.from({length: 20}, (_, index) =>
      writer(
        file,
        `for (let round = 0; round < 5; round++) {
           await store.recordCachedImage({...${JSON.stringify(image())}, app: 'app-${index}-' + round})
           await store.recordBlobLocations('r', 'repository-${index}', ['sha256:${index}-' + round])
         }
         await store.saveRegistry({...${JSON.stringify(registry('x'))}, name: 'r${index}', host: 'h${index}', isDefault: true})`,
      ),
    )
    for (const {code, stderr} of await Promise.all(children.map(outcome))) assert.equal(code, 0, stderr)
    const store = await openSqliteStore({file})
    assert.equal((await store.searchCachedImages()).length, 100)
    const registries = await store.listRegistries()
    assert.equal(registries.length, 20)
    assert.equal(registries.filter(({isDefault}) => isDefault).length, 1)
    store.close()
    // It bounds a hang alone: 20 processes start as fast as the machine lets them.
  }).timeout(600_000)

  it('has every acknowledged record after the writer was killed', async () => {
    const child = writer(
      file,
      `for (let round = 0; ; round++) {
         await store.recordCachedImage({...${JSON.stringify(image())}, app: 'app-' + round})
         process.stdout.write(round + '\\n')
       }`,
    )
    let acknowledged = ''
    for await (const text of child.stdout.setEncoding('utf8')) {
      acknowledged += text
      if (acknowledged.split('\n').length > 30) child.kill('SIGKILL')
    }
    const last = Number(acknowledged.trimEnd().split('\n').at(-1))
    const store = await openSqliteStore({file})
    const apps = new Set((await store.searchCachedImages()).map(({app}) => app))
    for (let round = 0; round < last; round++) assert.ok(apps.has(`app-${round}`), `record ${round} of ${last}`)
    store.close()
  })

  it('keeps its images when it comes from a Holdfast that knew neither claims nor checks', async () => {
    const store = await openSqliteStore({file})
    await store.recordCachedImage(image())
    await store.saveSetting('embedded-registry', '127.0.0.1:5999')
    store.close()
    const old = new DatabaseSync(file)
    old.exec(
      'ALTER TABLE app DROP COLUMN previous_staged; ALTER TABLE cached_image DROP COLUMN owner; ALTER TABLE cached_image DROP COLUMN checked_at; ALTER TABLE cached_image DROP COLUMN removed_at; ALTER TABLE cached_image DROP COLUMN damaged; DROP TABLE image_claim; DROP TABLE trusted_host; DROP TABLE embedded_name; ALTER TABLE registry DROP COLUMN repository_prefix; PRAGMA user_version = 4',
    )
    old.close()
    const migrated = await openSqliteStore({file})
    assert.deepEqual(await migrated.searchCachedImages(), [image()])
    assert.deepEqual(await migrated.listEmbeddedNames(), ['127.0.0.1:5999'])
    await migrated.recordImageCheck(image(), '2026-02-01T00:00:00.000Z')
    assert.deepEqual(await migrated.searchCachedImages(), [{...image(), checkedAt: '2026-02-01T00:00:00.000Z'}])
    migrated.close()
  })

  it('keeps the hosts that an older Holdfast trusted: the chosen collector as that, others as those of a login', async () => {
    const store = await openSqliteStore({file})
    await store.saveSetting('collector', 'https://collector.example.com:8443')
    store.close()
    const old = new DatabaseSync(file)
    old.exec(`${WITHOUT_OWNERS};
      DROP TABLE embedded_name;
      ALTER TABLE cached_image DROP COLUMN damaged;
      ALTER TABLE registry DROP COLUMN repository_prefix;
      DROP TABLE trusted_host;
      CREATE TABLE trusted_host (registry TEXT NOT NULL, host TEXT NOT NULL, PRIMARY KEY (registry, host)) STRICT, WITHOUT ROWID;
      INSERT INTO trusted_host VALUES ('r.example.com', 'collector.example.com:8443'), ('r.example.com', 'auth.example.com');
      PRAGMA user_version = 7`)
    old.close()
    const migrated = await openSqliteStore({file})
    const registry = 'r.example.com'
    assert.deepEqual(await migrated.listTrust(), [
      {registry, host: 'auth.example.com', trustedBy: 'login'},
      {registry, host: 'collector.example.com:8443', trustedBy: 'collector'},
    ])
    migrated.close()
  })

  it('keeps the apps and the images of an older Holdfast, whose apps had a name and nothing else', async () => {
    const store = await openSqliteStore({file})
    await store.recordCachedImage(image({app: 'shop'}))
    await store.saveAppRecord({name: 'shop', image: 'new', previousImage: 'old', staged: STAGED, updatedAt: '2026-01-01T00:00:00.000Z'})
    store.close()
    const old = new DatabaseSync(file)
    old.exec(
      `${WITHOUT_OWNERS}; ALTER TABLE registry DROP COLUMN repository_prefix; UPDATE app SET staged_previous = 'old'; PRAGMA user_version = 10`,
    )
    old.close()
    const migrated = await openSqliteStore({file})
    const {source, registry, repository} = image()
    const key = {source, registry, app: 'shop'}
    assert.deepEqual(await migrated.findAppRecord('shop'), {
      name: 'shop',
      image: 'new',
      previousImage: 'old',
      staged: STAGED,
      updatedAt: '2026-01-01T00:00:00.000Z',
    })
    assert.deepEqual(await migrated.findCachedImage(key), image({app: 'shop'}))
    assert.equal(await migrated.findCachedImage({...key, owner: 'api.example.com/1'}), undefined)
    await migrated.adoptCachedImages({registry, repository}, 'shop', 'api.example.com/1')
    await migrated.adoptCachedImages({registry, repository}, 'shop', 'api.example.com/2')
    assert.deepEqual(await migrated.findCachedImage({...key, owner: 'api.example.com/1'}), image({app: 'shop', owner: 'api.example.com/1'}))
    assert.equal(await migrated.findCachedImage({...key, owner: 'api.example.com/2'}), undefined)
    migrated.close()
  })

  it('is refused when a newer Holdfast has written it', async () => {
    const store = await openSqliteStore({file})
    await store.prepareForWriting()
    store.close()
    const newer = new DatabaseSync(file)
    newer.exec('PRAGMA user_version = 999')
    newer.close()
    await assert.rejects(openSqliteStore({file}), (error) => hasCode(error, 'CONFIGURATION') && /version 999/.test(error.message))
  })

  it('is refused with a hint when it is no database', async () => {
    await mkdir(join(directory, 'data'))
    await writeFile(file, 'these are not the bytes of a database, and there are enough of them to tell'.repeat(100))
    await assert.rejects(
      openSqliteStore({file}),
      (error) => hasCode(error, 'CONFIGURATION') && error.message.includes(file) && error.hints.length > 0,
    )
  })

  it('is refused with a hint when it is damaged behind its header', async () => {
    const store = await openSqliteStore({file})
    for (let round = 0; round < 200; round++) await store.recordCachedImage(image({app: `app-${round}`}))
    store.close()
    const size = (await stat(file)).size
    const {open} = await import('node:fs/promises')
    const handle = await open(file, 'r+')
    await handle.write(Buffer.alloc(size - 4096, 0xa5), 0, size - 4096, 4096)
    await handle.close()
    const damaged = await openSqliteStore({file})
    await assert.rejects(damaged.searchCachedImages(), (error) => hasCode(error, 'CONFIGURATION') && error.hints.length > 0)
    damaged.close()
  })

  it('is a storage error where no file can be: at once, or when something is written where such a place is expected', async () => {
    await writeFile(join(directory, 'data'), 'a file where the folder should be')
    const store = await openSqliteStore({file, onDenied: () => assert.fail('that is told for a folder only')})
    assert.deepEqual(await store.listRegistries(), [])
    const isStorage = (error: unknown): boolean =>
      hasCode(error, 'STORAGE') &&
      ['ls -ld', 'export HOLDFAST_DATA_DIR='].every((start) => error.hints.some((hint) => hint.startsWith(start)))
    await assert.rejects(store.saveRegistry(registry('a')), isStorage)
    await assert.rejects(store.prepareForWriting(), isStorage)
    store.close()
    for (const place of [file, directory]) await assert.rejects(openSqliteStore({file: place}), isStorage)
  })

  it('is empty and is not made while it is only read, and is seen once another process has made it', async () => {
    const store = await openSqliteStore({file})
    assert.deepEqual(await store.listRegistries(), [])
    assert.equal(await store.findDefaultRegistry(), undefined)
    assert.equal(await store.removeRegistry('a'), false)
    await store.saveSetting('collector', undefined)
    assert.deepEqual(await readdir(directory), [])
    const {code, stderr} = await outcome(writer(file, `await store.saveRegistry(${JSON.stringify(registry('a'))})`))
    assert.equal(code, 0, stderr)
    assert.deepEqual(await store.listRegistries(), [registry('a')])
    store.close()
  })

  it('is read where it may not be written, with and without its log, and refuses writes', async function () {
    if (process.geteuid?.() !== 0) {
      process.stderr.write('skipped: only root can start a program as another user\n')
      return this.skip()
    }
    await chmod(directory, 0o755)
    const store = await openSqliteStore({file})
    await store.saveRegistry(registry('a'))
    const body = `
      process.stdout.write(JSON.stringify(await store.listRegistries()))
      await store.saveRegistry(${JSON.stringify(registry('b'))}).catch((error) => process.stdout.write(error.code))`
    const readAsOther = async (): Promise<string> => {
      await chmod(join(directory, 'data'), 0o755)
      for (const name of await readdir(join(directory, 'data'))) await chmod(join(directory, 'data', name), 0o644)
      const child = writer(file, body, {uid: OTHER_USER, gid: OTHER_USER})
      let said = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
      const {code, stderr} = await outcome(child)
      assert.equal(code, 0, stderr)
      return said
    }
    const expected = `${JSON.stringify([registry('a')])}STORAGE`
    assert.equal(await readAsOther(), expected, 'while another process has it open')
    store.close()
    assert.equal(await readAsOther(), expected, 'after the last process closed it')
  })

  it('is a storage error in a folder that this user may not search, or empty where that is expected', async function () {
    if (process.geteuid?.() !== 0) {
      process.stderr.write('skipped: only root can start a program as another user\n')
      return this.skip()
    }
    await mkdir(join(directory, 'data'), {mode: 0o700})
    const opening = (options: string): string =>
      `const {openSqliteStore: open} = await import(${JSON.stringify(openStoreModule.href)})
       const told = []
       try {
         const denied = await open({file: ${JSON.stringify(file)}, ${options}})
         told.push(await denied.listRegistries(), await denied.listLogins())
       } catch (error) { told.push(error.code) }
       process.stdout.write(JSON.stringify(told))`
    for (const [options, expected] of [
      ['', '["STORAGE"]'],
      ['onDenied: (error) => told.push(error.code)', '["STORAGE",[],[]]'],
    ] as const) {
      const child = spawnChild(process.execPath, ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', opening(options)], {
        stdio: ['ignore', 'pipe', 'pipe'],
        uid: OTHER_USER,
        gid: OTHER_USER,
      })
      let said = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
      const {code, stderr} = await outcome(child)
      assert.deepEqual([code, said], [0, expected], stderr)
    }
  })

  it('is a storage error when another process keeps it locked for longer than we wait', async () => {
    const store = await openSqliteStore({file})
    await store.prepareForWriting()
    const other = new DatabaseSync(file)
    other.exec('BEGIN IMMEDIATE')
    await assert.rejects(store.saveRegistry(registry('a')), (error) => hasCode(error, 'STORAGE') && /locked/.test(error.message))
    other.exec('ROLLBACK')
    other.close()
    await store.saveRegistry(registry('a'))
    store.close()
  })
})
