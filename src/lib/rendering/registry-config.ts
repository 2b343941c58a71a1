/** The configuration of docker-registries (CNCF Distribution 2.8 or 3): of one on a disk or of replicas on an object store, trusting a collector or standing behind a proxy that lets few in. */
import {stringify} from 'yaml'
import {assertPlain} from './plain.ts'

export interface S3Storage {
  readonly bucket: string
  readonly region: string
  /** Absent for Amazon's. */
  readonly endpoint?: string | undefined
  /** A folder in the bucket. */
  readonly rootDirectory: string
  /** Absent where the machine has a role that opens the bucket. */
  readonly keys?: {readonly accessKeyId: string; readonly secretAccessKey: string} | undefined
  /** Lets clients fetch layers from the object store, around whatever stands before the registry. */
  readonly redirect: boolean
}

export interface CollectorTrust {
  /** `https://host[:port]` of the collector, as clients see it. */
  readonly collectorUrl: string
  /** The same as the registry itself reaches it. */
  readonly eventsUrl: string
  readonly service: string
  readonly issuer: string
  /** The certificate of the token authority, alone in its file. */
  readonly authorityFile: string
  /** Sent with every notification. */
  readonly eventsSecret: string
}

export interface RegistryConfigValues {
  /** The major version of CNCF Distribution. */
  readonly version: 2 | 3
  /** `host:port` that it listens on; replicas are told theirs by `REGISTRY_HTTP_ADDR`. */
  readonly listen: string
  /** The name under which it is managed. */
  readonly name: string
  /** A folder, or an object store. */
  readonly storage: string | S3Storage
  /** Shared by all replicas of it; signs the state of uploads. */
  readonly httpSecret: string
  /** Where replicas remember what blobs they have seen. */
  readonly redis?: {readonly address: string; readonly password?: string | undefined} | undefined
  /** Without it whoever reaches the registry may do everything: what stands before it decides. */
  readonly collector?: CollectorTrust | undefined
  /** Takes nothing, as while it is cleared of what no manifest names. */
  readonly readOnly?: boolean
}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderRegistryConfig(values: RegistryConfigValues): string {
  const {version, listen, name, storage, httpSecret, redis, collector, readOnly = false} = values
  const plain = {
    listen,
    name,
    httpSecret,
    ...collector,
    ...(typeof storage === 'string' ? {storage} : {bucket: storage.bucket, region: storage.region}),
  }
  for (const [part, value] of Object.entries(plain)) assertPlain(part, value)
  return stringify({
    version: 0.1,
    // At the level info it prints where it notifies, with the secret of the notifications.
    log: {level: 'warn'},
    storage: {
      ...(typeof storage === 'string' ? {filesystem: {rootdirectory: storage}} : s3(storage, version)),
      delete: {enabled: true},
      ...(redis === undefined ? {} : {cache: {blobdescriptor: 'redis'}}),
      ...(readOnly ? {maintenance: {readonly: {enabled: true}}} : {}),
    },
    ...(redis === undefined ? {} : {redis: redisOf(redis, version)}),
    http: {
      addr: listen,
      secret: httpSecret,
      // Told to end, it serves running requests first; without this it breaks them off. systemd waits for 90 s.
      draintimeout: '60s',
      // Uploads go on under the name that the client used, whatever stands between.
      relativeurls: true,
      headers: {'X-Content-Type-Options': ['nosniff']},
    },
    ...(collector === undefined ? {} : trust(collector, name, version)),
    health: {storagedriver: {enabled: true, interval: '10s', threshold: 3}},
  })
}

function s3({bucket, region, endpoint, rootDirectory, keys, redirect}: S3Storage, version: 2 | 3): object {
  return {
    s3: {
      region,
      bucket,
      rootdirectory: rootDirectory,
      ...(endpoint === undefined ? {} : {regionendpoint: endpoint, secure: endpoint.startsWith('https:')}),
      ...(endpoint !== undefined && version === 3 ? {forcepathstyle: true} : {}),
      ...(version === 2 ? {v4auth: true} : {}),
      ...(keys === undefined ? {} : {accesskey: keys.accessKeyId, secretkey: keys.secretAccessKey}),
    },
    redirect: {disable: !redirect},
  }
}

function redisOf({address, password}: NonNullable<RegistryConfigValues['redis']>, version: 2 | 3): object {
  return {...(version === 3 ? {addrs: [address]} : {addr: address}), ...(password === undefined ? {} : {password}), db: 0}
}

function trust(
  {collectorUrl, eventsUrl, service, issuer, authorityFile, eventsSecret}: CollectorTrust,
  name: string,
  version: 2 | 3,
): object {
  return {
    auth: {
      token: {
        realm: `${collectorUrl}/token`,
        service,
        issuer,
        rootcertbundle: authorityFile,
        ...(version === 3 ? {signingalgorithms: ['ES256']} : {}),
      },
    },
    notifications: {
      endpoints: [
        {
          name: 'holdfast',
          url: `${eventsUrl}/events/${name}`,
          headers: {Authorization: [`Bearer ${eventsSecret}`]},
          timeout: '500ms',
          threshold: 5,
          backoff: '1s',
          ignoredmediatypes: ['application/octet-stream'],
        },
      ],
    },
  }
}
