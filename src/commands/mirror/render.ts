import {join, resolve} from 'node:path'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {parseApplications, parseMirrorUrl} from '../../lib/cli/mirror-values.ts'

interface Rendered {
  readonly directory: string
  readonly files: readonly string[]
}

export default class MirrorRender extends BaseCommand<Rendered> {
  static override readonly summary = 'Write the configuration of a protected mirror: nginx before it, its service, and its clients.'
  static override readonly description =
    `The mirror listens where only nginx reaches it, and nginx answers only whom --allow names. Behind another proxy, --trusted-proxy names that one: it alone is believed about where a client comes from.
Several applications behind one nginx: --application NAME=HOST:PORT for each beside the mirror. Clients: docker, containerd, podman, buildkit, k3s, Concourse.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --url https://mirror.example.com --upstream docker.io --allow 10.0.0.0/8 --tls-cert m.pem --tls-key m.key --directory mirror',
    '<%= config.bin %> <%= command.id %> --url http://mirror.internal --upstream docker.io,ghcr.io --allow 10.0.0.0/8 --trusted-proxy 10.0.0.7',
  ]
  static override readonly flags = {
    url: Flags.string({
      required: true,
      env: 'HOLDFAST_URL',
      helpValue: 'URL',
      summary: 'How clients reach the mirror: https://host[:port].',
    }),
    upstream: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      required: true,
      env: 'HOLDFAST_UPSTREAM',
      helpValue: 'HOST',
      summary: 'What it mirrors. Repeatable.',
    }),
    allow: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      required: true,
      env: 'HOLDFAST_ALLOW',
      helpValue: 'CIDR',
      summary: 'Networks of clients; everybody else gets 403. Repeatable.',
    }),
    'trusted-proxy': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_TRUSTED_PROXY',
      helpValue: 'CIDR',
      summary: 'A proxy before nginx, whose X-Forwarded-For is believed; never everybody. Repeatable.',
    }),
    application: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      env: 'HOLDFAST_APPLICATION',
      helpValue: 'NAME=HOST:PORT',
      summary: 'Another application behind the same nginx. Repeatable.',
    }),
    listen: Flags.string({
      env: 'HOLDFAST_LISTEN',
      default: '127.0.0.1:5000',
      helpValue: 'HOST:PORT',
      summary: 'Where the mirror listens. Default: 127.0.0.1:5000.',
    }),
    'proxy-address': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_PROXY_ADDRESS',
      default: ['127.0.0.1'],
      helpValue: 'CIDR',
      summary: 'Where nginx comes from, as the mirror sees it: nobody else is answered there. Default: 127.0.0.1. Repeatable.',
    }),
    'nginx-listen': Flags.string({
      env: 'HOLDFAST_NGINX_LISTEN',
      helpValue: 'ADDRESS',
      summary: 'Where nginx listens. Default: 443 with a certificate, else 80.',
    }),
    'tls-cert': Flags.string({env: 'HOLDFAST_TLS_CERT', helpValue: 'FILE', dependsOn: ['tls-key'], summary: 'Certificate for nginx.'}),
    'tls-key': Flags.string({env: 'HOLDFAST_TLS_KEY', helpValue: 'FILE', dependsOn: ['tls-cert'], summary: 'Its private key.'}),
    storage: Flags.string({
      env: 'HOLDFAST_STORAGE',
      default: '/var/lib/holdfast',
      helpValue: 'DIR',
      summary: 'The data directory of the mirror. Default: /var/lib/holdfast.',
    }),
    directory: Flags.string({
      env: 'HOLDFAST_DIRECTORY',
      default: 'mirror',
      helpValue: 'DIR',
      summary: 'Where the files are written. Default: mirror.',
    }),
  }

  async run(): Promise<Rendered> {
    const {flags} = await this.parse(MirrorRender)
    const url = parseMirrorUrl(flags.url)
    const [{renderMirrorNginx}, {renderMirrorClients}, {renderSystemdUnit}, {writeFileAtomically}] = await Promise.all([
      import('../../lib/rendering/mirror-nginx.ts'),
      import('../../lib/rendering/mirror-clients.ts'),
      import('../../lib/rendering/mirror-services.ts'),
      import('../../lib/core/atomic-file.ts'),
    ])
    const [certificateFile, keyFile] = [flags['tls-cert'], flags['tls-key']]
    const tls =
      certificateFile === undefined || keyFile === undefined
        ? undefined
        : {certificateFile: resolve(certificateFile), keyFile: resolve(keyFile)}
    const {listen, upstream: upstreams, storage: dataDirectory} = flags
    const directory = resolve(flags.directory)
    const files = new Map([
      [
        'nginx.conf',
        renderMirrorNginx({
          listen: flags['nginx-listen'] ?? (tls === undefined ? '80' : '443 ssl'),
          tls,
          applications: [{serverName: new URL(url).hostname, address: listen}, ...parseApplications(flags.application ?? [])],
          allow: flags.allow,
          trustedProxies: flags['trusted-proxy'] ?? [],
        }),
      ],
      ['holdfast-mirror.service', renderSystemdUnit({listen, upstreams, dataDirectory, proxyNetworks: flags['proxy-address']})],
      ...renderMirrorClients({url, upstreams}),
    ])
    for (const [file, text] of files) {
      await writeFileAtomically(join(directory, file), text)
      this.output.print(join(directory, file))
    }
    this.output.note('nginx -t tells whether nginx takes it; holdfast mirror drill whether the mirror would survive')
    return {directory, files: [...files.keys()]}
  }
}
