import {randomBytes} from 'node:crypto'
import {mkdir} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {DEFAULT_ISSUER} from '../../lib/cli/context.ts'
import {writeFileAtomically} from '../../lib/core/atomic-file.ts'
import {HoldfastError} from '../../lib/core/errors.ts'

interface Rendered {
  readonly registry: string
  readonly directory: string
  /** Names in it. */
  readonly files: readonly string[]
}

const SECRET_BYTES = 32
const OWNER_ONLY = 0o600
const FOR_ALL = 0o644

export default class RegistryRender extends CollectorCommand<Rendered> {
  static override readonly summary = 'Write the configuration of a docker-registry that trusts the collector, and of an nginx before both.'
  static override readonly description =
    `Writes config.yml (CNCF Distribution 2.8 or 3), nginx.conf (a server block) and authority.pem into a folder; they start as they are. The registry gets a new secret for its
notifications, and an older one ends: config.yml holds it and is readable by its owner only.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> internal --collector-url https://registry.example.com --directory ./internal',
    '<%= config.bin %> <%= command.id %> internal --collector-url https://registry.example.com --tls-cert /etc/ssl/r.pem --tls-key /etc/ssl/r.key',
  ]
  static override readonly args = {name: Args.string({required: true, description: 'the managed registry'})}
  static override readonly flags = {
    'collector-url': Flags.string({
      required: true,
      env: 'HOLDFAST_COLLECTOR_URL',
      helpValue: 'URL',
      summary: 'Where clients find /token: the collector, or the nginx before it.',
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
      summary: 'Where the registry listens. Default: 127.0.0.1:5000.',
    }),
    'collector-address': Flags.string({
      env: 'HOLDFAST_COLLECTOR_ADDRESS',
      default: '127.0.0.1:5050',
      helpValue: 'HOST:PORT',
      summary: 'Where registry and nginx reach the collector. Default: 127.0.0.1:5050.',
    }),
    storage: Flags.string({
      env: 'HOLDFAST_STORAGE',
      default: '/var/lib/registry',
      helpValue: 'DIR',
      summary: 'Where images are kept. Default: /var/lib/registry.',
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
    const collectorUrl = flags['collector-url'].replace(/\/$/, '')
    if (!/^https?:\/\/[^/?#@\s"]+$/.test(collectorUrl) || !URL.canParse(collectorUrl)) {
      throw new HoldfastError('USAGE', `cannot render: "${collectorUrl}" is no https://host[:port]`, {
        hints: [`holdfast registry render ${name} --collector-url https://registry.example.com`],
      })
    }
    const [collector, {showManagedRegistry, renewEventsSecret}, {exportKeys}, {renderRegistryConfig}, {renderNginx}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/registries.ts'),
      import('../../lib/collector/api/keys.ts'),
      import('../../lib/rendering/registry-config.ts'),
      import('../../lib/rendering/nginx.ts'),
    ])
    const registry = await collector.run(showManagedRegistry, {name})
    const {authority} = await collector.run(exportKeys, {})
    const directory = resolve(flags.directory ?? name)
    const [certificateFile, keyFile] = [flags['tls-cert'], flags['tls-key']]
    const tls =
      certificateFile === undefined || keyFile === undefined
        ? undefined
        : {certificateFile: resolve(certificateFile), keyFile: resolve(keyFile)}
    const nginx = renderNginx({
      name,
      serverName: new URL(collectorUrl).hostname,
      listen: flags['nginx-listen'] ?? (tls === undefined ? '80' : '443 ssl'),
      tls,
      registry: flags.listen,
      collector: flags['collector-address'],
      eventsFrom: flags['events-from'],
    })
    const values = {
      version: flags['distribution-version'] === '3' ? (3 as const) : (2 as const),
      listen: flags.listen,
      rootDirectory: flags.storage,
      httpSecret: randomBytes(SECRET_BYTES).toString('hex'),
      collectorUrl,
      eventsUrl: `http://${flags['collector-address']}`,
      name,
      service: registry.service,
      issuer: flags.issuer,
      authorityFile: join(directory, 'authority.pem'),
    }
    // Everything is looked at before the old secret of the registry ends.
    renderRegistryConfig({...values, eventsSecret: 'none'})
    const {secret} = await collector.run(renewEventsSecret, {name})
    await mkdir(directory, {recursive: true})
    const files = [
      ['config.yml', renderRegistryConfig({...values, eventsSecret: secret}), OWNER_ONLY],
      ['nginx.conf', nginx, FOR_ALL],
      ['authority.pem', authority, FOR_ALL],
    ] as const
    for (const [file, content, mode] of files) {
      await writeFileAtomically(join(directory, file), content, mode)
      this.output.print(join(directory, file))
    }
    this.output.note(`docker-registry serve ${join(directory, 'config.yml')}; nginx includes nginx.conf`)
    return {registry: name, directory, files: files.map(([file]) => file)}
  }
}
