import {once} from 'node:events'
import {existsSync} from 'node:fs'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../lib/cli/base-command.ts'
import type {Context} from '../lib/cli/context.ts'
import {registryDirectory} from '../lib/cli/data-directory.ts'
import {readMaxSize} from '../lib/cli/eviction.ts'
import {parseListenAddress} from '../lib/cli/listen-address.ts'
import {prepareDataDirectory} from '../lib/cli/prepare-data-directory.ts'
import {recordRemovals} from '../lib/cli/removed-images.ts'
import {
  checkPublicUrl,
  connectionLimits,
  openServedCollector,
  readServerCertificate,
  recordEmbeddedUrl,
} from '../lib/cli/serve-collector.ts'
import {describeServerEvent} from '../lib/cli/server-log.ts'
import {DEFAULT_ISSUER, DEFAULT_LISTEN, localRegistry} from '../lib/cli/settings.ts'
import {RATE_FLAGS} from '../lib/cli/transfer-flags.ts'
import {openWarming, type PlannedWarming, planWarming, WARM_FLAGS} from '../lib/cli/warming.ts'
import {escapeText, text} from '../lib/core/terminal-text.ts'
import type {ServedCollector} from '../lib/server/collector/served-collector.ts'

export interface ServeResult {
  /** `host:port`, as references name the registry. */
  readonly registry: string
  readonly url: string
  readonly directory: string
  readonly readOnly: boolean
  /** Whether everybody must say who he is. */
  readonly authenticates: boolean
}

export default class Serve extends BaseCommand<ServeResult> {
  static override readonly summary = 'Serve the embedded registry on this machine.'
  static override readonly description = `Serves what is cached in the embedded registry, and takes pushes, over the OCI distribution API.
Without authentication it listens on loopback only. With --authenticate it is a registry with accounts: users, groups, apps and services of the collector on this machine get
tokens at /token for what the access policy allows them; the collector's REST API is at /api/v1 and described at /openapi.json, search at /v1/search.
SIGINT or SIGTERM stops it: running requests have 10 s to finish, and uploads that are cut off can be resumed. A second signal ends it at once.
An image that a client deletes stays deleted: cache-image on this machine neither heals it nor answers with it.
With --json the envelope is printed as soon as it listens.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --listen 127.0.0.1:0 --json',
    '<%= config.bin %> <%= command.id %> --read-only --data-dir ./data',
    {
      description: 'With accounts, for the whole network',
      command: '<%= config.bin %> <%= command.id %> --authenticate --listen 0.0.0.0:443 --tls-cert server.pem --tls-key server.key',
    },
  ]
  static override readonly flags = {
    listen: Flags.string({
      env: 'HOLDFAST_LISTEN',
      default: DEFAULT_LISTEN,
      helpValue: 'HOST:PORT',
      summary: 'Where to listen; port 0 takes a free one.',
    }),
    'read-only': Flags.boolean({env: 'HOLDFAST_READ_ONLY', summary: 'Refuse every change.'}),
    'max-size': Flags.string({
      env: 'HOLDFAST_MAX_SIZE',
      helpValue: 'SIZE',
      summary: 'What its images may take together: 500GB. A push beyond it is refused with 507. Default: no limit.',
    }),
    authenticate: Flags.boolean({env: 'HOLDFAST_AUTHENTICATE', summary: 'Let in only whom the collector knows, to what he may.'}),
    'tls-cert': Flags.string({
      env: 'HOLDFAST_TLS_CERT',
      helpValue: 'FILE',
      dependsOn: ['tls-key'],
      summary: 'Certificate of this server, PEM, with its chain.',
    }),
    'tls-key': Flags.string({env: 'HOLDFAST_TLS_KEY', helpValue: 'FILE', dependsOn: ['tls-cert'], summary: 'Its private key, PEM.'}),
    'public-url': Flags.string({
      env: 'HOLDFAST_PUBLIC_URL',
      helpValue: 'URL',
      summary: 'How clients see this server when a proxy stands before it: https://host[:port].',
    }),
    'trusted-proxy': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_TRUSTED_PROXY',
      helpValue: 'CIDR',
      summary: 'Believe X-Forwarded-For of these addresses only. Repeatable.',
    }),
    'registry-network': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_REGISTRY_NETWORK',
      helpValue: 'CIDR',
      summary: 'Let managed registries be in these networks only, whatever their names resolve to. Repeatable.',
    }),
    ...WARM_FLAGS,
    ...RATE_FLAGS,
    directories: Flags.string({
      env: 'HOLDFAST_DIRECTORIES',
      helpValue: 'FILE',
      summary: 'Who is known elsewhere, in YAML: LDAP directories, and rules that trust CI jobs.',
    }),
    issuer: Flags.string({
      env: 'HOLDFAST_ISSUER',
      default: DEFAULT_ISSUER,
      helpValue: 'NAME',
      summary: 'Issuer of its tokens. Default: holdfast.',
    }),
  }

  async run(): Promise<ServeResult> {
    const {flags} = await this.parse(Serve)
    const {host, port} = parseListenAddress(flags.listen)
    const publicUrl = checkPublicUrl(flags['public-url'])
    const maxSizeBytes = readMaxSize(flags['max-size'])
    const context = this.openContext({...flags, embeddedListen: flags.listen})
    const {dataDirectory, signal} = context
    const directory = registryDirectory(dataDirectory)
    const readOnly = flags['read-only'] ?? false
    // What is there is served, also when its disk takes no more.
    if (!readOnly && !existsSync(directory)) await prepareDataDirectory(dataDirectory, directory)
    const planned = await planWarming(flags, signal)
    const {serveRegistry} = await import('../lib/server/serve.ts')
    const tls = await readServerCertificate(flags, signal)
    let collector: ServedCollector | undefined
    const listener = (event: Parameters<typeof describeServerEvent>[0]): void => {
      if (event.type === 'failure') this.output.note(describeServerEvent(event))
      else {
        this.output.trace(describeServerEvent(event))
        collector?.onRequest(event)
      }
    }
    const openAuthority = async (): Promise<ServedCollector> => {
      collector = await openServedCollector(context, {...flags, isSecure: tls !== undefined, version: this.config.version, listener})
      return collector
    }
    const served = await serveRegistry({
      openAuthority: flags.authenticate ? openAuthority : undefined,
      tls,
      host,
      port,
      dataDirectory: directory,
      readOnly,
      maxSizeBytes,
      listener,
      minimumRate: context.settings.minimumRate,
      connections: await connectionLimits(flags['trusted-proxy']),
      onRemoval: recordRemovals(context, this.output),
      signal,
    })
    context.defer(() => served.stop())
    await context.setEmbeddedRegistry(localRegistry({host, port: served.address.port}), publicUrl)
    if (flags.authenticate) await recordEmbeddedUrl(context, {...flags, isSecure: tls !== undefined})
    const warming = await this.#warm(planned, context, flags.authenticate ?? false)
    if (warming !== undefined) context.defer(() => warming.stop())
    const {address} = served
    const registry = `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
    const result = {
      registry,
      url: `${tls === undefined ? 'http' : 'https'}://${registry}`,
      directory,
      readOnly,
      authenticates: flags.authenticate ?? false,
    }
    await this.output.announce(escapeText(result.url), result)
    this.output.note(text`serving ${directory}; stop with Ctrl-C`)
    if (!signal.aborted) await once(signal, 'abort')
    this.output.note(text`stopping: running requests may finish`)
    return result
  }

  /** What a list names goes into the cache, again and again; of the replicas on one database one does it. */
  async #warm(planned: PlannedWarming | undefined, context: Context, isCollector: boolean): Promise<{stop(): Promise<void>} | undefined> {
    if (planned === undefined) return undefined
    const [{createLeases}, warming] = await Promise.all([import('../lib/collector/leases.ts'), openWarming(context, {}, this.output)])
    if (!isCollector) return planned.start(warming, this.output)
    const leases = createLeases(await context.collectorStore(), () => new Date(), 'warm-lease')
    return planned.start(warming, this.output, (file, lifeMs) => leases.tryLock(file, lifeMs))
  }
}
