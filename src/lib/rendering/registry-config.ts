/** The configuration of a docker-registry (CNCF Distribution 2.8 or 3) that trusts a collector. */
import {stringify} from 'yaml'
import {assertPlain} from './plain.ts'

export interface RegistryConfigValues {
  /** The major version of CNCF Distribution. */
  readonly version: 2 | 3
  /** `host:port` that it listens on. */
  readonly listen: string
  /** Where its images are. */
  readonly rootDirectory: string
  /** Shared by all replicas of it; signs the state of uploads. */
  readonly httpSecret: string
  /** `https://host[:port]` of the collector, as clients see it. */
  readonly collectorUrl: string
  /** The same as the registry itself reaches it. */
  readonly eventsUrl: string
  /** The name under which it is managed. */
  readonly name: string
  readonly service: string
  readonly issuer: string
  /** The certificate of the token authority, alone in its file. */
  readonly authorityFile: string
  /** Sent with every notification. */
  readonly eventsSecret: string
}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderRegistryConfig(values: RegistryConfigValues): string {
  for (const [name, value] of Object.entries(values)) assertPlain(name, String(value))
  const {version, listen, rootDirectory, httpSecret, collectorUrl, eventsUrl, name, service, issuer, authorityFile, eventsSecret} = values
  return stringify({
    version: 0.1,
    log: {level: 'info'},
    storage: {filesystem: {rootdirectory: rootDirectory}, delete: {enabled: true}},
    http: {
      addr: listen,
      secret: httpSecret,
      // Uploads go on under the name that the client used, whatever stands between.
      relativeurls: true,
      headers: {'X-Content-Type-Options': ['nosniff']},
    },
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
    health: {storagedriver: {enabled: true, interval: '10s', threshold: 3}},
  })
}
