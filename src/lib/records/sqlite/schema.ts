/**
 * The schema of the embedded database, as forward migrations. `PRAGMA user_version` counts how many of them a file has seen.
 * A migration that was released is never edited: a change is a new one at the end.
 */
import type {DatabaseSync} from 'node:sqlite'
import {HoldfastError} from '../../core/errors.ts'

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE registry (
     name TEXT PRIMARY KEY,
     host TEXT NOT NULL UNIQUE,
     url TEXT NOT NULL,
     insecure INTEGER NOT NULL,
     plain_http INTEGER NOT NULL,
     ca_file TEXT,
     client_cert_file TEXT,
     client_key_file TEXT,
     is_default INTEGER NOT NULL,
     flavour TEXT,
     auth_scheme TEXT,
     realm TEXT,
     pinned_hosts TEXT NOT NULL,
     capabilities TEXT NOT NULL,
     created_at TEXT NOT NULL,
     updated_at TEXT NOT NULL
   ) STRICT;
   CREATE UNIQUE INDEX registry_default ON registry (is_default) WHERE is_default = 1;

   CREATE TABLE cached_image (
     id INTEGER PRIMARY KEY,
     registry TEXT NOT NULL,
     repository TEXT NOT NULL,
     is_guid INTEGER NOT NULL,
     source TEXT NOT NULL,
     source_digest TEXT NOT NULL,
     digest TEXT NOT NULL,
     platforms TEXT NOT NULL,
     app TEXT NOT NULL,
     size_bytes INTEGER NOT NULL,
     created_at TEXT NOT NULL,
     UNIQUE (registry, repository, digest, source, source_digest, platforms, app)
   ) STRICT;
   CREATE INDEX cached_image_source ON cached_image (source, registry, app, platforms, created_at);
   CREATE INDEX cached_image_created ON cached_image (created_at);

   CREATE TABLE blob_location (
     registry TEXT NOT NULL,
     digest TEXT NOT NULL,
     repository TEXT NOT NULL,
     PRIMARY KEY (registry, digest)
   ) STRICT, WITHOUT ROWID;`,

  `CREATE TABLE login (
     id INTEGER PRIMARY KEY,
     registry TEXT NOT NULL,
     path_prefix TEXT NOT NULL,
     account TEXT NOT NULL,
     kind TEXT NOT NULL,
     logged_in_at TEXT NOT NULL,
     expires_at TEXT,
     UNIQUE (registry, path_prefix, account)
   ) STRICT;

   CREATE TABLE allowed_helper (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;`,

  'CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID',

  `CREATE TABLE app (
     name TEXT PRIMARY KEY,
     opt_in TEXT,
     image TEXT,
     previous_image TEXT,
     source TEXT,
     source_digest TEXT,
     cached TEXT,
     staged_at TEXT,
     staged_previous TEXT,
     updated_at TEXT NOT NULL
   ) STRICT, WITHOUT ROWID`,

  'CREATE TABLE trusted_host (registry TEXT NOT NULL, host TEXT NOT NULL, PRIMARY KEY (registry, host)) STRICT, WITHOUT ROWID',

  `CREATE TABLE image_claim (
     source TEXT NOT NULL,
     registry TEXT NOT NULL,
     app TEXT NOT NULL,
     platforms TEXT NOT NULL,
     repository TEXT NOT NULL,
     PRIMARY KEY (source, registry, app, platforms)
   ) STRICT, WITHOUT ROWID`,

  'ALTER TABLE cached_image ADD COLUMN checked_at TEXT; ALTER TABLE cached_image ADD COLUMN removed_at TEXT',

  // A host that both a login and a collector made trusted stays trusted until both are gone. What was remembered before is the collector's where it is the chosen one.
  `ALTER TABLE trusted_host RENAME TO trusted_host_before;
   CREATE TABLE trusted_host (
     registry TEXT NOT NULL,
     host TEXT NOT NULL,
     trusted_by TEXT NOT NULL,
     PRIMARY KEY (registry, host, trusted_by)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO trusted_host (registry, host, trusted_by)
     SELECT registry, host, CASE WHEN EXISTS (
       SELECT 1 FROM setting WHERE name = 'collector' AND value IN ('https://' || host, 'http://' || host)
     ) THEN 'collector' ELSE 'login' END
     FROM trusted_host_before;
   DROP TABLE trusted_host_before`,

  `CREATE TABLE embedded_name (registry TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
   INSERT INTO embedded_name (registry) SELECT value FROM setting WHERE name = 'embedded-registry'`,

  'ALTER TABLE cached_image ADD COLUMN damaged TEXT',

  // What the image before is a copy of; and apps of one name on different platforms apart from each other.
  `ALTER TABLE app ADD COLUMN previous_staged TEXT;
   ALTER TABLE cached_image ADD COLUMN owner TEXT NOT NULL DEFAULT '';
   ALTER TABLE image_claim RENAME TO image_claim_before;
   CREATE TABLE image_claim (
     source TEXT NOT NULL,
     registry TEXT NOT NULL,
     app TEXT NOT NULL,
     owner TEXT NOT NULL,
     platforms TEXT NOT NULL,
     repository TEXT NOT NULL,
     PRIMARY KEY (source, registry, app, owner, platforms)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO image_claim (source, registry, app, owner, platforms, repository)
     SELECT source, registry, app, '', platforms, repository FROM image_claim_before;
   DROP TABLE image_claim_before`,

  // The same request below another prefix is another claim.
  `ALTER TABLE registry ADD COLUMN repository_prefix TEXT;
   ALTER TABLE image_claim RENAME TO image_claim_before;
   CREATE TABLE image_claim (
     source TEXT NOT NULL,
     registry TEXT NOT NULL,
     app TEXT NOT NULL,
     owner TEXT NOT NULL,
     platforms TEXT NOT NULL,
     prefix TEXT NOT NULL,
     repository TEXT NOT NULL,
     PRIMARY KEY (source, registry, app, owner, platforms, prefix)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO image_claim (source, registry, app, owner, platforms, prefix, repository)
     SELECT source, registry, app, owner, platforms, '', repository FROM image_claim_before;
   DROP TABLE image_claim_before`,
]

/**
 * Brings a database to the newest schema, all or nothing; several processes may try at once, and one of them does it.
 * @throws {HoldfastError} CONFIGURATION when a newer Holdfast has written the file.
 */
export function migrate(database: DatabaseSync, file: string): void {
  if (schemaVersion(database, file) === MIGRATIONS.length) return
  database.exec('BEGIN IMMEDIATE')
  try {
    for (const statements of MIGRATIONS.slice(schemaVersion(database, file))) database.exec(statements)
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`)
    database.exec('COMMIT')
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function schemaVersion(database: DatabaseSync, file: string): number {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0)
  if (version > MIGRATIONS.length) {
    throw new HoldfastError(
      'CONFIGURATION',
      `cannot open "${file}": its schema is version ${version}, and this Holdfast knows up to ${MIGRATIONS.length}`,
      {
        hints: ['install the newer Holdfast that wrote it, or set HOLDFAST_DATA_DIR to another folder'],
        details: {schemaVersion: version, knownVersion: MIGRATIONS.length},
      },
    )
  }
  return version
}
