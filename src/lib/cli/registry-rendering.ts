/** The files of docker-registries, on a disk or on S3, trusting a collector or behind an nginx that lets few in. */
import {randomBytes} from 'node:crypto'
import {join} from 'node:path'
import type {Collector} from '../collector/collector.ts'
import {HoldfastError} from '../core/errors.ts'
import type {CollectorTrust} from '../rendering/registry-config.ts'
import type {RegistryServiceValues} from '../rendering/registry-services.ts'
import type {Context} from './context.ts'
import {assertPortsDiffer, type DoorFlags, nginxDoor} from './nginx-door.ts'
import type {ObjectStorageFlags} from './object-storage.ts'
import {isOrigin} from './origin.ts'

const MAX_PORT = 65_535
const SECRET_BYTES = 32
const OWNER_ONLY = 0o600
const FOR_ALL = 0o644

export interface RegistryRenderingFlags extends ObjectStorageFlags, DoorFlags {
  readonly name: string
  /** As an absolute path. */
  readonly directory: string
  readonly 'collector-url'?: string | undefined
  readonly 'collector-address': readonly string[]
  readonly 'events-from': readonly string[]
  readonly issuer: string
  readonly allow?: readonly string[] | undefined
  readonly listen: string
  readonly replicas: number
  readonly storage: string
  readonly 'create-bucket'?: boolean | undefined
  readonly redis?: string | undefined
  readonly 'distribution-version': string
}

type RenderedFile = readonly [name: string, content: string, mode: number]

interface RenderedRegistry {
  readonly files: readonly RenderedFile[]
  /** Names that stand for another file. */
  readonly links: ReadonlyMap<string, string>
  readonly replicas: readonly string[]
  /** Of an object store, when it was seen to. */
  readonly bucket?: 'created' | 'there' | undefined
}

interface Trust {
  readonly authority: string
  readonly trust: CollectorTrust
  readonly renewSecret: () => Promise<string>
}

/** @throws {HoldfastError} USAGE, CONFIGURATION; what the collector and the bucket throw. Nothing is written, and the old secret of the registry goes on, when it throws. */
export async function renderRegistry(
  context: Context,
  openCollector: () => Promise<Collector>,
  flags: RegistryRenderingFlags,
): Promise<RenderedRegistry> {
  const {name, directory, redis} = flags
  const [{openObjectStorage}, {renderRegistryConfig}, {renderNginx}] = await Promise.all([
    import('./object-storage.ts'),
    import('../rendering/registry-config.ts'),
    import('../rendering/nginx.ts'),
  ])
  const replicas = parseReplicas(flags.listen, flags.replicas)
  const objects = flags.storage === 's3' ? await openObjectStorage(context, flags) : undefined
  if (objects === undefined && replicas.length > 1) {
    throw new HoldfastError('USAGE', 'cannot render replicas: each would have a disk of its own', {
      hints: [`holdfast registry render ${name} --storage s3 --bucket NAME --replicas ${replicas.length}`],
    })
  }
  const publicUrl = parseCollectorUrl(flags)
  const door = nginxDoor(flags, {
    url: publicUrl,
    // Where it listens was said: a proxy that has the certificate sends it what comes.
    isBehindProxy: flags['nginx-listen'] !== undefined,
    proxyHint: '--nginx-listen 127.0.0.1:8080  # where a proxy with the certificate sends requests',
  })
  assertPortsDiffer(door, replicas)
  const collector = await openTrust(flags, publicUrl, openCollector)
  const nginx = renderNginx({
    name,
    serverName: publicUrl?.hostname ?? '_',
    ...door,
    registries: replicas,
    collector: collector === undefined ? undefined : {addresses: flags['collector-address'], eventsFrom: flags['events-from']},
    allow: flags.allow ?? [],
  })
  const password = context.environment.HOLDFAST_REDIS_PASSWORD
  const values = {
    version: flags['distribution-version'] === '3' ? (3 as const) : (2 as const),
    listen: flags.listen,
    name,
    storage: objects?.storage ?? flags.storage,
    httpSecret: randomBytes(SECRET_BYTES).toString('hex'),
    redis: redis === undefined ? undefined : {address: redis, ...(password ? {password} : {})},
  }
  // Everything is looked at before the old secret of the registry ends.
  renderRegistryConfig({...values, collector: collector?.trust})
  const services = objects === undefined ? [] : await renderServices({name, directory, replicas, redis})
  const bucket = flags['create-bucket'] ? await objects?.ensureBucket() : undefined
  const trust = collector === undefined ? undefined : {...collector.trust, eventsSecret: await collector.renewSecret()}
  const config = (readOnly: boolean) => renderRegistryConfig({...values, collector: trust, readOnly})
  return {
    files: [
      ['config.yml', config(false), OWNER_ONLY],
      ...(objects === undefined ? [] : ([['config-readonly.yml', config(true), OWNER_ONLY]] as const)),
      ['nginx.conf', nginx, FOR_ALL],
      ...(collector === undefined ? [] : ([['authority.pem', collector.authority, FOR_ALL]] as const)),
      ...services,
    ],
    // What replicas start with: the job that clears points it at the other one for a while.
    links: new Map(objects === undefined ? [] : [['current.yml', 'config.yml']]),
    replicas,
    bucket,
  }
}

/** Where clients find the collector; undefined without one. @throws {HoldfastError} USAGE */
function parseCollectorUrl({name, 'collector-url': given}: RegistryRenderingFlags): URL | undefined {
  if (given === undefined) return undefined
  const url = given.replace(/\/$/, '')
  if (isOrigin(url)) return new URL(url)
  throw new HoldfastError('USAGE', `cannot render: "${url}" is not https://host[:port]`, {
    hints: [`holdfast registry render ${name} --collector-url https://registry.example.com`],
  })
}

/** What the collector says of the registry; undefined where there is none, and nginx alone decides who comes in. */
async function openTrust(
  flags: RegistryRenderingFlags,
  publicUrl: URL | undefined,
  openCollector: () => Promise<Collector>,
): Promise<Trust | undefined> {
  const {name, directory} = flags
  if (publicUrl === undefined) {
    if (flags.allow !== undefined) return undefined
    throw new HoldfastError('USAGE', 'cannot render: without a collector everybody whom nginx lets in may push', {
      hints: [`holdfast registry render ${name} --collector-url https://registry.example.com`, '--allow 10.0.0.0/8'],
    })
  }
  const collectorUrl = publicUrl.origin
  const [collector, {showManagedRegistry, renewEventsSecret}, {exportKeys}] = await Promise.all([
    openCollector(),
    import('../collector/api/registries.ts'),
    import('../collector/api/keys.ts'),
  ])
  const [alone, ...others] = flags['collector-address']
  const registry = await collector.run(showManagedRegistry, {name})
  const {authority} = await collector.run(exportKeys, {})
  return {
    authority,
    trust: {
      collectorUrl,
      // Of several, whichever is there: nginx knows.
      eventsUrl: alone === undefined || others.length > 0 ? collectorUrl : `http://${alone}`,
      service: registry.service,
      issuer: flags.issuer,
      authorityFile: join(directory, 'authority.pem'),
      eventsSecret: 'none',
    },
    renewSecret: async () => (await collector.run(renewEventsSecret, {name})).secret,
  }
}

async function renderServices(values: RegistryServiceValues): Promise<readonly RenderedFile[]> {
  const {renderGarbageCollectScript, renderGarbageCollectUnits, renderRegistryUnit} = await import('../rendering/registry-services.ts')
  const {service, timer} = renderGarbageCollectUnits(values)
  return [
    [`${values.name}-registry@.service`, renderRegistryUnit(values), FOR_ALL],
    [`${values.name}-garbage-collect.service`, service, FOR_ALL],
    [`${values.name}-garbage-collect.timer`, timer, FOR_ALL],
    ['garbage-collect.sh', renderGarbageCollectScript(values), FOR_ALL],
  ]
}

/** `host:port` of each replica, on ports one after the other. @throws {HoldfastError} USAGE */
export function parseReplicas(listen: string, count: number): readonly string[] {
  const [, host, port] = /^(\S+):([0-9]{1,5})$/.exec(listen) ?? []
  const first = Number(port)
  if (host === undefined || first < 1 || first + count - 1 > MAX_PORT) {
    throw new HoldfastError('USAGE', `cannot render: "${listen.slice(0, 200)}" is no HOST:PORT for ${count} replicas`, {
      hints: ['--listen 127.0.0.1:5000'],
    })
  }
  return Array.from({length: count}, (_, index) => `${host}:${first + index}`)
}
