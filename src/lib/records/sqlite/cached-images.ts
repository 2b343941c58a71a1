/** Cached images as rows. An absent app or platform list is the empty string, so that equality and uniqueness need no special case for NULL. */
import type {RepositoryName} from '../../oci/reference.ts'
import {GUID_LENGTH, isGuid} from '../guid.ts'
import type {CachedImageKey, CachedImageOwnerStore, CachedImageRecord, CachedImageStore} from '../store.ts'
import type {Row} from './connection.ts'
import type {Database} from './database.ts'

const ALGORITHM_PREFIX = /^sha(?:256|512):/
/** A shorter start of a guid or digest would match by chance. */
const MIN_PREFIX_LENGTH = 6
const PLATFORM_SEPARATOR = ','
const DIGEST_SEPARATOR = ','

const RECORD = `
  INSERT INTO cached_image (registry, repository, is_guid, source, source_digest, digest, platforms, app, owner, size_bytes, created_at)
  VALUES (:registry, :repository, :is_guid, :source, :source_digest, :digest, :platforms, :app, :owner, :size_bytes, :created_at)
  ON CONFLICT DO UPDATE SET owner = excluded.owner, size_bytes = excluded.size_bytes, created_at = excluded.created_at, checked_at = NULL, damaged = NULL, removed_at = NULL`

const FIND = `
  SELECT * FROM cached_image
  WHERE source = :source AND registry = :registry AND app = :app AND owner = :owner AND platforms = :platforms
    AND CASE WHEN :repository = '' THEN is_guid = 1 AND substr(repository, 1, length(repository) - ${GUID_LENGTH}) = :prefix ELSE repository = :repository END
    AND removed_at IS NULL
  ORDER BY created_at DESC, id DESC LIMIT 1`

const RECORD_CHECK = `
  UPDATE cached_image SET checked_at = :checkedAt, damaged = NULL WHERE registry = :registry AND repository = :repository AND digest = :digest`

const RECORD_DAMAGE = `
  UPDATE cached_image SET damaged = :damaged WHERE registry = :registry AND repository = :repository AND digest = :digest`

const RECORD_REMOVAL = `
  UPDATE cached_image SET removed_at = :removedAt WHERE registry = :registry AND repository = :repository AND digest = :digest`

const CLAIM = `
  INSERT INTO image_claim (source, registry, app, owner, platforms, prefix, repository)
  VALUES (:source, :registry, :app, :owner, :platforms, :prefix, :repository)
  ON CONFLICT DO NOTHING`

const FIND_CLAIM = `
  SELECT repository FROM image_claim
  WHERE source = :source AND registry = :registry AND app = :app AND owner = :owner AND platforms = :platforms AND prefix = :prefix`

const END_CLAIM = `
  DELETE FROM image_claim
  WHERE source = :source AND registry = :registry AND app = :app AND owner = :owner AND platforms = :platforms AND repository = :repository`

const ADOPT = `
  UPDATE cached_image SET owner = :owner WHERE registry = :registry AND repository = :repository AND app = :app AND owner = ''`

const LIST = 'SELECT * FROM cached_image ORDER BY created_at DESC, id DESC'

// instr and substr take text as it is: nothing in a query is a wildcard.
const SEARCH = `
  SELECT * FROM cached_image
  WHERE instr(lower(source), :query) > 0
     OR lower(app) = :query
     OR repository = :query
     OR digest = :query
     OR source_digest = :query
     OR (length(:start) >= ${MIN_PREFIX_LENGTH} AND :start IN (
           substr(repository, 1, length(:start)),
           CASE WHEN is_guid = 1 THEN substr(repository, -${GUID_LENGTH}, length(:start)) END,
           substr(digest, instr(digest, ':') + 1, length(:start)),
           substr(source_digest, instr(source_digest, ':') + 1, length(:start))))
  ORDER BY created_at DESC, id DESC`

/** The cached images of one database. */
export function createCachedImageStore(database: Database): CachedImageStore & CachedImageOwnerStore {
  return {
    async recordCachedImage(record) {
      const wish = encodeWish(record)
      await database.transaction((connection) => {
        connection.run(RECORD, {
          ...wish,
          repository: record.repository,
          is_guid: Number(isGuid(record.repository)),
          source_digest: record.sourceDigest,
          digest: record.digest,
          size_bytes: record.sizeBytes,
          created_at: record.createdAt,
        })
        connection.run(END_CLAIM, {...wish, repository: record.repository})
      })
    },
    async claimRepository(key, fresh, known) {
      const wish = {...encodeWish(key), prefix: encodePrefix(key)}
      let claimed: RepositoryName = fresh
      await database.transaction((connection) => {
        const newest = connection.get(FIND, {...wish, repository: ''})?.repository
        if (newest !== undefined && newest !== known) {
          claimed = newest as RepositoryName
          return
        }
        connection.run(CLAIM, {...wish, repository: fresh})
        claimed = connection.get(FIND_CLAIM, wish)?.repository as RepositoryName
      })
      return claimed
    },
    async recordImageCheck({registry, repository, digest}, checkedAt) {
      await database.run(RECORD_CHECK, {registry, repository, digest, checkedAt})
    },
    async recordImageDamage({registry, repository, digest}, damaged) {
      await database.run(RECORD_DAMAGE, {registry, repository, digest, damaged: damaged.join(DIGEST_SEPARATOR)})
    },
    async recordImageRemoval({registry, repository, digest}, removedAt) {
      await database.remove(RECORD_REMOVAL, {registry, repository, digest, removedAt})
    },
    async adoptCachedImages({registry, repository}, app, owner) {
      await database.run(ADOPT, {registry, repository, app, owner})
    },
    async findCachedImage(key) {
      const row = await database.get(FIND, {...encodeWish(key), prefix: encodePrefix(key), repository: key.repository ?? ''})
      return row === undefined ? undefined : decode(row)
    },
    async searchCachedImages(query) {
      if (query === undefined || query === '') return (await database.all(LIST)).map(decode)
      const text = query.toLowerCase()
      return (await database.all(SEARCH, {query: text, start: text.replace(ALGORITHM_PREFIX, '')})).map(decode)
    },
  }
}

function encodeWish({source, registry, app = '', owner = '', platforms}: CachedImageKey) {
  return {source, registry, app, owner, platforms: encodePlatforms(platforms)}
}

/** What comes before the GUID. */
function encodePrefix({prefix}: CachedImageKey): string {
  return prefix === undefined ? '' : `${prefix}/`
}

function encodePlatforms(platforms: readonly string[] = []): string {
  return platforms.toSorted().join(PLATFORM_SEPARATOR)
}

/** The columns are written by this file alone, so they are what the record says. */
function decode(row: Row): CachedImageRecord {
  return {
    repository: row.repository,
    registry: row.registry,
    source: row.source,
    sourceDigest: row.source_digest,
    digest: row.digest,
    ...(row.platforms === '' ? {} : {platforms: String(row.platforms).split(PLATFORM_SEPARATOR)}),
    ...(row.app === '' ? {} : {app: row.app}),
    ...(row.owner === '' ? {} : {owner: row.owner}),
    sizeBytes: row.size_bytes,
    createdAt: row.created_at,
    ...(row.checked_at === null ? {} : {checkedAt: row.checked_at}),
    ...(row.damaged === null ? {} : {damaged: String(row.damaged).split(DIGEST_SEPARATOR)}),
    ...(row.removed_at === null ? {} : {removedAt: row.removed_at}),
  } as unknown as CachedImageRecord
}
