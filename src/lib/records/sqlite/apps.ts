/** Apps as rows. */
import type {AppRecord, AppRecordStore} from '../store.ts'
import type {Row} from './connection.ts'
import type {Database} from './database.ts'

const SAVE = `
  INSERT INTO app (name, opt_in, image, previous_image, source, source_digest, cached, staged_at, previous_staged, updated_at)
  VALUES (:name, :opt_in, :image, :previous_image, :source, :source_digest, :cached, :staged_at, :previous_staged, :updated_at)
  ON CONFLICT (name) DO UPDATE SET
    opt_in = excluded.opt_in, image = excluded.image, previous_image = excluded.previous_image, source = excluded.source,
    source_digest = excluded.source_digest, cached = excluded.cached, staged_at = excluded.staged_at,
    previous_staged = excluded.previous_staged, updated_at = excluded.updated_at`

/** The apps of one database. */
export function createAppRecordStore(database: Database): AppRecordStore {
  return {
    async findAppRecord(name) {
      const row = await database.get('SELECT * FROM app WHERE name = :name', {name})
      return row === undefined ? undefined : decode(row)
    },
    async listAppRecords() {
      return (await database.all('SELECT * FROM app ORDER BY name')).map(decode)
    },
    async saveAppRecord({name, optIn, image, previousImage, staged, previousStaged, updatedAt}) {
      await database.run(SAVE, {
        name,
        opt_in: optIn ?? null,
        image: image ?? null,
        previous_image: previousImage ?? null,
        source: staged?.source ?? null,
        source_digest: staged?.sourceDigest ?? null,
        cached: staged?.cached ?? null,
        staged_at: staged?.stagedAt ?? null,
        previous_staged: previousStaged === undefined ? null : JSON.stringify(previousStaged),
        updated_at: updatedAt,
      })
    },
  }
}

/** The columns are written by this file alone, so they are what the record says. */
function decode(row: Row): AppRecord {
  const staged = {
    source: row.source,
    sourceDigest: row.source_digest,
    cached: row.cached,
    stagedAt: row.staged_at,
  }
  return {
    name: row.name,
    ...(row.opt_in === null ? {} : {optIn: row.opt_in}),
    ...(row.image === null ? {} : {image: row.image}),
    ...(row.previous_image === null ? {} : {previousImage: row.previous_image}),
    ...(row.cached === null ? {} : {staged}),
    ...(row.previous_staged === null ? {} : {previousStaged: JSON.parse(String(row.previous_staged))}),
    updatedAt: row.updated_at,
  } as unknown as AppRecord
}
