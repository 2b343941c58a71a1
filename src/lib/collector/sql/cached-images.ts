/** Which cached reference stands for what, of everybody who asks this collector. An absent app or list of platforms is the empty text, as in the records of a machine. */
import {type Kysely, type Selectable, sql} from 'kysely'
import type {CachedImageNote, CachedImageNoteStore} from '../store.ts'
import type {Tables} from './tables.ts'

/** A shorter start of a guid or digest would match by chance. */
const MIN_PREFIX_LENGTH = 6
const MAX_FOUND = 1_000

export function createCachedImageNoteStore(database: Kysely<Tables>): CachedImageNoteStore {
  return {
    async noteCachedImage({platforms = [], app = '', principal, ...note}) {
      const values = {
        registry: note.registry,
        repository: note.repository,
        source: note.source,
        source_digest: note.sourceDigest,
        digest: note.digest,
        platforms: platforms.toSorted().join(','),
        app,
        size_bytes: note.sizeBytes,
        created_at: note.createdAt,
        principal,
      }
      await database
        .insertInto('cached_image')
        .values(values)
        .onConflict((conflict) =>
          conflict
            .columns(['registry', 'repository', 'digest', 'source', 'source_digest', 'platforms', 'app'])
            .doUpdateSet({created_at: note.createdAt, size_bytes: note.sizeBytes, principal}),
        )
        .execute()
    },
    async findCachedImages(query) {
      const text = query.toLowerCase()
      const start = text.replace(/^sha(?:256|512):/, '')
      let wanted = database.selectFrom('cached_image').selectAll()
      if (text !== '') {
        // Nothing in a query is a wildcard.
        const pattern = (part: string): string => part.replaceAll(/[\\%_]/g, '\\$&')
        const like = (column: 'source' | 'repository' | 'digest' | 'source_digest', value: string) =>
          sql<boolean>`lower(${sql.ref(column)}) like ${value} escape '\\'`
        wanted = wanted.where((where) =>
          where.or([
            like('source', `%${pattern(text)}%`),
            where(sql<string>`lower(app)`, '=', text),
            where('repository', '=', text),
            where('digest', '=', text),
            where('source_digest', '=', text),
            ...(start.length < MIN_PREFIX_LENGTH
              ? []
              : [
                  like('repository', `${pattern(start)}%`),
                  // A GUID may stand below a prefix.
                  ...(/^[0-9a-f-]+$/.test(start) ? [like('repository', `%/${start}%`)] : []),
                  like('digest', `sha___:${pattern(start)}%`),
                  like('source_digest', `sha___:${pattern(start)}%`),
                ]),
          ]),
        )
      }
      const rows = await wanted.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(MAX_FOUND).execute()
      return rows.map(toNote)
    },
  }
}

function toNote(row: Selectable<Tables['cached_image']>): CachedImageNote {
  return {
    registry: row.registry,
    repository: row.repository,
    source: row.source,
    sourceDigest: row.source_digest,
    digest: row.digest,
    ...(row.platforms === '' ? {} : {platforms: row.platforms.split(',')}),
    ...(row.app === '' ? {} : {app: row.app}),
    sizeBytes: Number(row.size_bytes),
    createdAt: row.created_at,
    principal: row.principal,
  }
}
