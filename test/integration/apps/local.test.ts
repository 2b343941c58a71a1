/** Apps of this machine: what they run tells its source, after going back and on again, and in records of older versions. */
import assert from 'node:assert/strict'
import {join} from 'node:path'
import {statusOf} from '../../../src/lib/apps/app-status.ts'
import {addLocalApp, createLocalPlatform} from '../../../src/lib/apps/local-platform.ts'
import {CACHE_VARIABLE} from '../../../src/lib/apps/opt-in.ts'
import {rollBackApp} from '../../../src/lib/apps/rollback-app.ts'
import {stageApp} from '../../../src/lib/apps/stage-app.ts'
import {openSqliteStore} from '../../../src/lib/records/sqlite/open-store.ts'
import type {RecordStore} from '../../../src/lib/records/store.ts'
import {APP, type AppWorld, type AppWorlds, CACHE, newMachine, startAppWorlds} from '../../support/app-world.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

const ONE = 'origin.example.com/shop/web:v1'
const TWO = 'origin.example.com/shop/web:v2'

describe('an app of this machine', () => {
  let worlds: AppWorlds
  let world: AppWorld
  let directory: TemporaryDirectory
  let records: RecordStore
  const now = () => new Date('2026-01-01T00:00:00.000Z')

  before(async () => {
    worlds = await startAppWorlds()
  })
  after(() => worlds.close())
  beforeEach(async () => {
    world = await worlds.create(ONE)
    directory = await createTemporaryDirectory('local-apps')
    records = await openSqliteStore({file: join(directory.path, 'records.db')})
    await addLocalApp(records, APP, now)
    await setVariable('true')
  })
  afterEach(async () => {
    records.close()
    await directory.remove()
  })

  const dependencies = () => ({...world.dependencies(newMachine()), platform: createLocalPlatform(records, now)})
  const stage = (image?: string) => stageApp(APP, {image}, dependencies())
  const rollBack = () => rollBackApp(APP, {...dependencies(), pullCredentials: undefined, openRegistry: async () => CACHE})
  const show = async () => {
    const {platform} = dependencies()
    return await statusOf(await platform.findApp(APP), {platform, findCopy: async () => undefined})
  }
  async function setVariable(value: string | undefined): Promise<void> {
    const platform = createLocalPlatform(records, now)
    await platform.setVariable(await platform.findApp(APP), CACHE_VARIABLE, value)
  }

  it('is shown with the source of what it runs after it went back, and on again, and gets that back when it opts out', async () => {
    await stage(ONE)
    await stage(TWO)
    assert.equal((await show()).source, TWO)
    await rollBack()
    assert.deepEqual(await show().then(({isCached, source}) => [isCached, source]), [true, ONE])
    await rollBack()
    assert.equal((await show()).source, TWO)
    await rollBack()
    await setVariable(undefined)
    assert.equal((await stage()).image, ONE)
    assert.deepEqual(await show().then(({isCached, image, previous}) => [isCached, image, previous]), [false, ONE, undefined])
  })

  it('of an older version, whose record tells of the last copy alone, is judged by what it runs', async () => {
    const {image: cached = ''} = await stage(TWO)
    const record = await records.findAppRecord(APP)
    assert.ok(record)
    await records.saveAppRecord({...record, image: ONE, previousImage: cached})
    assert.deepEqual(await show().then(({isCached, image}) => [isCached, image]), [false, ONE])
    assert.equal((await rollBack()).image, cached)
    assert.equal((await show()).source, TWO)
  })
})
