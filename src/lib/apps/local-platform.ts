/** The apps of this machine: for who has no platform, or deploys by means of his own and asks which image. Nothing runs here; what an app is to run is noted. */
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {AppRecord, AppRecordStore} from '../records/store.ts'
import {isOptIn} from './opt-in.ts'
import type {AppNote, Platform, PlatformApp, Release} from './platform.ts'

const APP_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

export function createLocalPlatform(records: AppRecordStore, now: () => Date): Platform {
  const load = async (name: string): Promise<AppRecord> => {
    const record = await records.findAppRecord(name)
    if (record !== undefined) return record
    const known = (await records.listAppRecords()).map((app) => app.name)
    throw new HoldfastError('OBJECT_NOT_FOUND', `cannot find app "${name}": there is none on this machine`, {
      hints: [shellCommand`holdfast set-env ${name} DIEGO_DOCKER_CACHE true`, ...(known.length === 0 ? [] : ['holdfast app list'])],
      details: {apps: known},
    })
  }
  const save = (record: AppRecord): Promise<void> => records.saveAppRecord({...record, updatedAt: now().toISOString()})
  const change = async ({id}: PlatformApp, edit: (record: AppRecord) => AppRecord): Promise<AppRecord> => {
    const changed = edit(await load(id))
    await save(changed)
    return changed
  }
  const releaseOf = (record: AppRecord, image: string): Release => {
    // Records of older versions have what the app was last given, which need not be what it runs.
    const staged = [record.staged, record.previousStaged].find((one) => one?.cached === image)
    return {id: image, image, ...(staged === undefined ? {} : {staged})}
  }

  return {
    kind: 'local',
    description: 'this machine',
    stopsApps: false,
    async findApp(name) {
      return describe(await load(name))
    },
    async listApps() {
      return (await records.listAppRecords()).map(describe)
    },
    async surveyApps() {
      return (await records.listAppRecords()).map(describe)
    },
    listAppsWithoutImage: async () => [],
    async readVariable({id}) {
      return (await load(id)).optIn
    },
    async setVariable(app, _name, value) {
      await change(app, ({optIn: _, ...record}) => (value === undefined ? record : {...record, optIn: value}))
    },
    // The choice itself is in the record.
    markOptIn: async () => {},
    async currentRelease({id}) {
      const record = await load(id)
      return record.image === undefined ? undefined : releaseOf(record, record.image)
    },
    async findRelease({id}, releaseId) {
      return releaseOf(await load(id), releaseId)
    },
    settle: async (app) => app,
    releaseUnderWay: async () => undefined,
    cancelRelease: async () => undefined,
    prepare: async (_app, {image, staged}) => ({id: image, image, ...(staged === undefined ? {} : {staged})}),
    prepareAgain: async (_app, release) => release,
    async activate(app, {image, staged}) {
      await change(app, (record) => {
        const {staged: _, previousStaged: __, ...rest} = record
        const before = record.image === image ? record.previousImage : record.image
        const beforeStaged = before === undefined ? undefined : releaseOf(record, before).staged
        return {
          ...rest,
          image,
          ...(staged === undefined ? {} : {staged}),
          ...(before === undefined ? {} : {previousImage: before}),
          ...(beforeStaged === undefined ? {} : {previousStaged: beforeStaged}),
        }
      })
      return undefined
    },
    start: async () => undefined,
    mark: async () => {},
    async writeNote(app, note) {
      // What an app runs and ran before is its record; letting go is all that is left to note.
      if (note === undefined) await change(app, ({staged: _, previousStaged: __, previousImage: ___, ...record}) => record)
    },
    describeRelease: ({name}, image) => [`note that app "${name}" runs ${image}`],
    describeStart: () => [],
    describeNote: ({name}) => `note what app "${name}" was given`,
  }
}

/**
 * Adds an app to this machine, unless it is there.
 * @throws {HoldfastError} USAGE for what is no name of an app.
 */
export async function addLocalApp(records: AppRecordStore, name: string, now: () => Date): Promise<void> {
  if (!APP_NAME.test(name)) {
    throw new HoldfastError('USAGE', `cannot add app "${name.slice(0, 100)}": a name is letters, digits, ".", "_" and "-", 128 at most`)
  }
  if ((await records.findAppRecord(name)) === undefined) await records.saveAppRecord({name, updatedAt: now().toISOString()})
}

function describe({name, image, previousImage, staged, optIn}: AppRecord): PlatformApp {
  const app = {id: name, name, hasOptedIn: isOptIn(optIn)}
  if (staged === undefined && previousImage === undefined) return app
  const note: AppNote = {
    ...(staged === undefined ? {} : {staged}),
    ...(image === undefined ? {} : {release: image}),
    ...(previousImage === undefined ? {} : {previous: previousImage}),
  }
  return {...app, note}
}
