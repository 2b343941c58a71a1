/** Declared registries as rows. */
import {HoldfastError} from '../../core/errors.ts'
import type {RegistryRecord, RegistryStore, TrustRecord} from '../store.ts'
import type {Connection, Parameters, Row} from './connection.ts'
import type {Database} from './database.ts'

const SAVE = `
  INSERT INTO registry (name, host, url, insecure, plain_http, ca_file, client_cert_file, client_key_file, is_default,
                        flavour, auth_scheme, realm, repository_prefix, pinned_hosts, capabilities, created_at, updated_at)
  VALUES (:name, :host, :url, :insecure, :plain_http, :ca_file, :client_cert_file, :client_key_file, :is_default,
          :flavour, :auth_scheme, :realm, :repository_prefix, :pinned_hosts, :capabilities, :created_at, :updated_at)
  ON CONFLICT (name) DO UPDATE SET
    host = excluded.host, url = excluded.url, insecure = excluded.insecure, plain_http = excluded.plain_http, ca_file = excluded.ca_file,
    client_cert_file = excluded.client_cert_file, client_key_file = excluded.client_key_file, is_default = excluded.is_default,
    flavour = excluded.flavour, auth_scheme = excluded.auth_scheme, realm = excluded.realm, repository_prefix = excluded.repository_prefix,
    pinned_hosts = excluded.pinned_hosts, capabilities = excluded.capabilities, created_at = excluded.created_at, updated_at = excluded.updated_at`

/** The registries of one database. */
export function createRegistryStore(database: Database): RegistryStore {
  return {
    async findRegistry(nameOrHost) {
      // A name wins over a host.
      return decode(
        await database.get('SELECT * FROM registry WHERE name = :key OR host = :key ORDER BY name = :key DESC LIMIT 1', {key: nameOrHost}),
      )
    },
    async findDefaultRegistry() {
      return decode(await database.get('SELECT * FROM registry WHERE is_default = 1'))
    },
    async listRegistries() {
      return (await database.all('SELECT * FROM registry ORDER BY name')).flatMap((row) => decode(row) ?? [])
    },
    async saveRegistry(registry) {
      await database.transaction((connection) => {
        if (registry.isDefault)
          connection.run('UPDATE registry SET is_default = 0 WHERE is_default = 1 AND name <> :name', {name: registry.name})
        saveRow(connection, registry)
      })
    },
    async removeRegistry(name) {
      return (await database.remove('DELETE FROM registry WHERE name = :name', {name})) > 0
    },
    async listTrustedHosts(registry) {
      const rows = await database.all('SELECT DISTINCT host FROM trusted_host WHERE registry = :registry ORDER BY host', {registry})
      return rows.map(({host}) => String(host))
    },
    async listTrust() {
      const rows = await database.all('SELECT registry, host, trusted_by FROM trusted_host ORDER BY registry, host, trusted_by')
      return rows.map(({registry, host, trusted_by}) => ({registry, host, trustedBy: trusted_by}) as TrustRecord)
    },
    async trustHost(registry, host, by) {
      const row = {registry, host, by}
      await database.run('INSERT OR IGNORE INTO trusted_host (registry, host, trusted_by) VALUES (:registry, :host, :by)', row)
    },
    async distrustHosts(registry, by) {
      const chosen = {registry, by: by ?? null}
      await database.remove('DELETE FROM trusted_host WHERE registry = :registry AND (:by IS NULL OR trusted_by = :by)', chosen)
    },
  }
}

/** Two names for one host would leave open which of them a reference means. */
function saveRow(connection: Connection, registry: RegistryRecord): void {
  const other = connection.get('SELECT name FROM registry WHERE host = :host AND name <> :name', {host: registry.host, name: registry.name})
  if (other !== undefined) {
    throw new HoldfastError(
      'CONFLICT',
      `cannot declare "${registry.name}": ${registry.host} is declared as "${String(other.name)}" already`,
      {
        hints: [`holdfast registry update ${String(other.name)}`, `holdfast registry remove ${String(other.name)}`],
      },
    )
  }
  connection.run(SAVE, encode(registry))
}

function encode(registry: RegistryRecord): Parameters {
  return {
    name: registry.name,
    host: registry.host,
    url: registry.url,
    insecure: Number(registry.insecure),
    plain_http: Number(registry.plainHttp),
    ca_file: registry.caFile ?? null,
    client_cert_file: registry.clientCertFile ?? null,
    client_key_file: registry.clientKeyFile ?? null,
    is_default: Number(registry.isDefault),
    flavour: registry.flavour ?? null,
    auth_scheme: registry.authScheme ?? null,
    realm: registry.realm ?? null,
    repository_prefix: registry.repositoryPrefix ?? null,
    pinned_hosts: JSON.stringify(registry.pinnedHosts),
    capabilities: JSON.stringify(registry.capabilities),
    created_at: registry.createdAt,
    updated_at: registry.updatedAt,
  }
}

/** The columns are written by `encode` alone, so they are what the record says. */
function decode(row: Row | undefined): RegistryRecord | undefined {
  if (row === undefined) return undefined
  const optional = {
    caFile: row.ca_file,
    clientCertFile: row.client_cert_file,
    clientKeyFile: row.client_key_file,
    flavour: row.flavour,
    authScheme: row.auth_scheme,
    realm: row.realm,
    repositoryPrefix: row.repository_prefix,
  }
  return {
    name: row.name,
    host: row.host,
    url: row.url,
    insecure: row.insecure === 1,
    plainHttp: row.plain_http === 1,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== null)),
    isDefault: row.is_default === 1,
    pinnedHosts: JSON.parse(String(row.pinned_hosts)),
    capabilities: JSON.parse(String(row.capabilities)),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  } as RegistryRecord
}
