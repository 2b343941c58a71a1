import {randomBytes} from 'node:crypto'
import {mkdir, rm, symlink} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {DEFAULT_ISSUER} from '../../lib/cli/context.ts'
import type {GlobalFlags} from '../../lib/cli/global-flags.ts'
import {writeFileAtomically} from '../../lib/core/atomic-file.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import type {CollectorTrust} from '../../lib/rendering/registry-config.ts'
import type {RegistryServiceValues} from '../../lib/rendering/registry-services.ts'

interface Rendered {
  readonly registry: string
  readonly directory: string
  /** Names in it. */
  readonly files: readonly string[]
  /** Of an object store, when it was seen to. */
  readonly bucket?: 'created' | 'there'
}

type RenderedFile = readonly [name: string, content: string, mode: number]

interface Trust {
  readonly authority: string
  readonly trust: CollectorTrust
  readonly renewSecret: () => Promise<string>
}

interface CollectorFlags extends GlobalFlags {
  readonly collector?: string | undefined
  readonly 'collector-url'?: string | undefined
  readonly 'collector-address': readonly string[]
  readonly issuer: string
  readonly allow?: readonly string[] | undefined
}

const SECRET_BYTES = 32
const OWNER_ONLY = 0o600
const FOR_ALL = 0o644

export default class RegistryRender extends CollectorCommand<Rendered> {
  static override readonly summary =
    'Write the configuration of docker-registries, on a disk or on S3, and of an nginx before them and the collector.'
  static override readonly description =
    `Writes config.yml (CNCF Distribution 2.8 or 3) and nginx.conf (a server block) into a folder; they start as they are. With --collector-url the registry is one that the collector manages and that
trusts it: authority.pem is written too, the registry gets a new secret for its notifications, and an older one ends. Without it nginx lets in whom --allow names, and nobody else.
--storage s3: images are in a bucket, and any number of replicas share them: the same http.secret, Redis, health checks, layers through nginx and not around it, and a job that clears what no manifest
names. The keys of the bucket are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment; without them the machine's role opens it. What holds secrets is readable by its owner only.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> internal --collector-url https://registry.example.com --directory ./internal',
    '<%= config.bin %> <%= command.id %> internal --collector-url https://registry.example.com --tls-cert /etc/ssl/r.pem --tls-key /etc/ssl/r.key',
    '<%= config.bin %> <%= command.id %> store --storage s3 --bucket acme-images --region eu-central-1 --replicas 3 --redis 127.0.0.1:6379 --allow 10.0.0.0/8 --create-bucket',
  ]
  static override readonly args = {
    name: Args.string({required: true, description: 'the registry; with --collector-url one that the collector manages'}),
  }
  static override readonly flags = {
    'collector-url': Flags.string({
      env: 'HOLDFAST_COLLECTOR_URL',
      helpValue: 'URL',
      summary: 'Where clients find /token: the collector, or the nginx before it.',
    }),
    allow: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_ALLOW',
      helpValue: 'CIDR',
      summary: 'Networks of clients: nginx answers everybody else with 403. Needed without a collector. Repeatable.',
    }),
    replicas: Flags.integer({
      env: 'HOLDFAST_REPLICAS',
      min: 1,
      max: 100,
      default: 1,
      helpValue: 'N',
      summary: 'How many, on ports one after the other from that of --listen. Default: 1.',
    }),
    bucket: Flags.string({env: 'HOLDFAST_BUCKET', helpValue: 'NAME', summary: 'The bucket of --storage s3.'}),
    region: Flags.string({env: 'HOLDFAST_REGION', default: 'us-east-1', helpValue: 'NAME', summary: 'Its region. Default: us-east-1.'}),
    's3-endpoint': Flags.string({
      env: 'HOLDFAST_S3_ENDPOINT',
      helpValue: 'URL',
      summary: 'Whoever else speaks S3. Default: that of Amazon.',
    }),
    'bucket-directory': Flags.string({
      env: 'HOLDFAST_BUCKET_DIRECTORY',
      default: '/',
      helpValue: 'DIR',
      summary: 'Where in the bucket. Default: its root.',
    }),
    'create-bucket': Flags.boolean({env: 'HOLDFAST_CREATE_BUCKET', summary: 'Make the bucket, unless it is there.'}),
    redirect: Flags.boolean({
      env: 'HOLDFAST_REDIRECT',
      summary: 'Let clients fetch layers from the object store itself, around nginx and its rules.',
    }),
    redis: Flags.string({
      env: 'HOLDFAST_REDIS',
      helpValue: 'HOST:PORT',
      summary: 'The Redis that replicas share; its password is HOLDFAST_REDIS_PASSWORD of the environment.',
    }),
    directory: Flags.string({
      char: 'd',
      env: 'HOLDFAST_DIRECTORY',
      helpValue: 'DIR',
      summary: 'Where to write. Default: a folder of the name of the registry.',
    }),
    'distribution-version': Flags.option({
      options: ['2', '3'] as const,
      default: '2',
      env: 'HOLDFAST_DISTRIBUTION_VERSION',
      summary: 'Major version of CNCF Distribution. Default: 2.',
    })(),
    listen: Flags.string({
      env: 'HOLDFAST_LISTEN',
      default: '127.0.0.1:5000',
      helpValue: 'HOST:PORT',
      summary: 'Where the registry, or its first replica, listens. Default: 127.0.0.1:5000.',
    }),
    'collector-address': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_COLLECTOR_ADDRESS',
      default: ['127.0.0.1:5050'],
      helpValue: 'HOST:PORT',
      summary: 'Where nginx and the registry reach the collector. Default: 127.0.0.1:5050. Repeatable, for replicas on one PostgreSQL.',
    }),
    storage: Flags.string({
      env: 'HOLDFAST_STORAGE',
      default: '/var/lib/registry',
      helpValue: 'DIR|s3',
      summary: 'Where images are kept: a folder, or s3. Default: /var/lib/registry.',
    }),
    'nginx-listen': Flags.string({
      env: 'HOLDFAST_NGINX_LISTEN',
      helpValue: 'ADDRESS',
      summary: 'Where nginx listens. Default: 443 with a certificate, else 80.',
    }),
    'tls-cert': Flags.string({env: 'HOLDFAST_TLS_CERT', helpValue: 'FILE', dependsOn: ['tls-key'], summary: 'Certificate for nginx.'}),
    'tls-key': Flags.string({env: 'HOLDFAST_TLS_KEY', helpValue: 'FILE', dependsOn: ['tls-cert'], summary: 'Its private key.'}),
    'events-from': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_EVENTS_FROM',
      default: ['127.0.0.1'],
      helpValue: 'CIDR',
      summary: 'Networks that nginx takes notifications from. Default: 127.0.0.1.',
    }),
    issuer: Flags.string({
      env: 'HOLDFAST_ISSUER',
      default: DEFAULT_ISSUER,
      helpValue: 'NAME',
      summary: 'As serve has it. Default: holdfast.',
    }),
  }

  async run(): Promise<Rendered> {
    const {args, flags} = await this.parse(RegistryRender)
    const {name} = args
    const place = {name, directory: resolve(flags.directory ?? name)}
    const [{parseReplicas}, {openObjectStorage}, {renderRegistryConfig}, {renderNginx}] = await Promise.all([
      import('../../lib/cli/registry-rendering.ts'),
      import('../../lib/cli/object-storage.ts'),
      import('../../lib/rendering/registry-config.ts'),
      import('../../lib/rendering/nginx.ts'),
    ])
    const replicas = parseReplicas(flags.listen, flags.replicas)
    const context = this.openContext(flags)
    const objects = flags.storage === 's3' ? await openObjectStorage(context, flags) : undefined
    if (objects === undefined && replicas.length > 1) {
      throw new HoldfastError('USAGE', 'cannot render replicas: each would have a disk of its own', {
        hints: [`holdfast registry render ${name} --storage s3 --bucket NAME --replicas ${replicas.length}`],
      })
    }
    const collector = await this.#trust(flags, place)
    const [certificateFile, keyFile] = [flags['tls-cert'], flags['tls-key']]
    const tls =
      certificateFile === undefined || keyFile === undefined
        ? undefined
        : {certificateFile: resolve(certificateFile), keyFile: resolve(keyFile)}
    const nginx = renderNginx({
      name,
      serverName: collector === undefined ? '_' : new URL(collector.trust.collectorUrl).hostname,
      listen: flags['nginx-listen'] ?? (tls === undefined ? '80' : '443 ssl'),
      tls,
      registries: replicas,
      collector: collector === undefined ? undefined : {addresses: flags['collector-address'], eventsFrom: flags['events-from']},
      allow: flags.allow ?? [],
    })
    const redisPassword = context.environment.HOLDFAST_REDIS_PASSWORD
    const values = {
      version: flags['distribution-version'] === '3' ? (3 as const) : (2 as const),
      listen: flags.listen,
      name,
      storage: objects?.storage ?? flags.storage,
      httpSecret: randomBytes(SECRET_BYTES).toString('hex'),
      redis: flags.redis === undefined ? undefined : {address: flags.redis, ...(redisPassword ? {password: redisPassword} : {})},
    }
    // Everything is looked at before the old secret of the registry ends.
    renderRegistryConfig({...values, collector: collector?.trust})
    const services = objects === undefined ? [] : await this.#services({...place, replicas, redis: flags.redis})
    const bucket = flags['create-bucket'] ? await objects?.ensureBucket() : undefined
    const trust = collector === undefined ? undefined : {...collector.trust, eventsSecret: await collector.renewSecret()}
    await mkdir(place.directory, {recursive: true})
    const config = renderRegistryConfig({...values, collector: trust})
    const files: readonly RenderedFile[] = [
      ['config.yml', config, OWNER_ONLY],
      ...(objects === undefined
        ? []
        : ([['config-readonly.yml', renderRegistryConfig({...values, collector: trust, readOnly: true}), OWNER_ONLY]] as const)),
      ['nginx.conf', nginx, FOR_ALL],
      ...(collector === undefined ? [] : ([['authority.pem', collector.authority, FOR_ALL]] as const)),
      ...services,
    ]
    for (const [file, content, mode] of files) {
      await writeFileAtomically(join(place.directory, file), content, mode)
      this.output.print(join(place.directory, file))
    }
    if (objects !== undefined) {
      // What replicas start with: the job that clears points it at the other one for a while.
      const current = join(place.directory, 'current.yml')
      await rm(current, {force: true})
      await symlink('config.yml', current)
    }
    if (bucket !== undefined) this.output.note(`the bucket ${flags.bucket} ${bucket === 'created' ? 'was made' : 'is there'}`)
    const start = replicas.length === 1 ? '' : `REGISTRY_HTTP_ADDR=${replicas[1]} `
    this.output.note(`${start}docker-registry serve ${join(place.directory, 'config.yml')}; nginx includes nginx.conf`)
    return {
      registry: name,
      directory: place.directory,
      files: files.map(([file]) => file),
      ...(bucket === undefined ? {} : {bucket}),
    }
  }

  /** What the collector says of the registry; undefined where there is none, and nginx alone decides who comes in. */
  async #trust(flags: CollectorFlags, {name, directory}: {readonly name: string; readonly directory: string}): Promise<Trust | undefined> {
    const given = flags['collector-url']
    if (given === undefined) {
      if (flags.allow !== undefined) return undefined
      throw new HoldfastError('USAGE', 'cannot render: without a collector everybody whom nginx lets in may push', {
        hints: [`holdfast registry render ${name} --collector-url https://registry.example.com`, '--allow 10.0.0.0/8'],
      })
    }
    const collectorUrl = given.replace(/\/$/, '')
    if (!/^https?:\/\/[^/?#@\s"]+$/.test(collectorUrl) || !URL.canParse(collectorUrl)) {
      throw new HoldfastError('USAGE', `cannot render: "${collectorUrl}" is no https://host[:port]`, {
        hints: [`holdfast registry render ${name} --collector-url https://registry.example.com`],
      })
    }
    const [collector, {showManagedRegistry, renewEventsSecret}, {exportKeys}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/registries.ts'),
      import('../../lib/collector/api/keys.ts'),
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

  async #services(values: RegistryServiceValues): Promise<readonly RenderedFile[]> {
    const {renderGarbageCollectScript, renderGarbageCollectUnits, renderRegistryUnit} = await import(
      '../../lib/rendering/registry-services.ts'
    )
    const {service, timer} = renderGarbageCollectUnits(values)
    return [
      [`${values.name}-registry@.service`, renderRegistryUnit(values), FOR_ALL],
      [`${values.name}-garbage-collect.service`, service, FOR_ALL],
      [`${values.name}-garbage-collect.timer`, timer, FOR_ALL],
      ['garbage-collect.sh', renderGarbageCollectScript(values), FOR_ALL],
    ]
  }
}
