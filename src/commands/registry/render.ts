import {rm, symlink} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {DEFAULT_ISSUER} from '../../lib/cli/settings.ts'
import {writeFileAtomically} from '../../lib/core/atomic-file.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

interface Rendered {
  readonly registry: string
  readonly directory: string
  /** Names in it. */
  readonly files: readonly string[]
  /** Of an object store, when it was seen to. */
  readonly bucket?: 'created' | 'there'
}

export default class RegistryRender extends CollectorCommand<Rendered> {
  static override readonly summary =
    'Write the configuration of docker-registries, on a disk or on S3, and of an nginx before them and the collector.'
  static override readonly description =
    `Writes config.yml (CNCF Distribution 2.8 or 3) and nginx.conf (a server block) into a folder; they start as they are. With --collector-url the registry is one that the collector manages and that
trusts it: authority.pem is written too, the registry gets a new secret for its notifications, and an older one ends. Without it nginx lets in whom --allow names, and nobody else.
--storage s3: images are in a bucket, and any number of replicas share them: the same http.secret, Redis, health checks, layers through nginx and not around it, and a job that clears what no manifest
names. The keys of the bucket are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment; without them the machine's role opens it. What holds secrets is readable by its owner only.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> internal --collector-url https://registry.example.com --nginx-listen 127.0.0.1:8080 --directory ./internal',
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
      helpValue: '[ADDRESS:]PORT',
      summary:
        'Port or address of nginx, also behind a proxy that has the certificate; TLS with --tls-cert. Default: the port of --collector-url, else 443 with a certificate and 80 without.',
    }),
    'tls-cert': Flags.string({
      env: 'HOLDFAST_TLS_CERT',
      helpValue: 'FILE',
      dependsOn: ['tls-key'],
      summary: 'Certificate of nginx, PEM: needed for an https --collector-url, unless --nginx-listen says where a proxy finds it.',
    }),
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
    const directory = resolve(flags.directory ?? name)
    const {renderRegistry} = await import('../../lib/cli/registry-rendering.ts')
    const {files, links, bucket, replicas} = await renderRegistry(this.openContext(flags), () => this.openCollector(flags), {
      ...flags,
      name,
      directory,
    })
    for (const [file, content, mode] of files) {
      await writeFileAtomically(join(directory, file), content, mode)
      this.output.print(escapeText(join(directory, file)))
    }
    for (const [link, target] of links) {
      await rm(join(directory, link), {force: true})
      await symlink(target, join(directory, link))
    }
    if (bucket !== undefined) this.output.note(text`the bucket ${flags.bucket ?? ''} ${bucket === 'created' ? 'was made' : 'is there'}`)
    const start = replicas.length === 1 ? '' : `REGISTRY_HTTP_ADDR=${replicas[1]} `
    this.output.note(text`${start}docker-registry serve ${join(directory, 'config.yml')}; nginx includes nginx.conf`)
    return {registry: name, directory, files: files.map(([file]) => file), ...(bucket === undefined ? {} : {bucket})}
  }
}
