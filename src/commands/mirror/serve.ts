import {once} from 'node:events'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {parseListenAddress} from '../../lib/cli/listen-address.ts'
import {openUpstreams} from '../../lib/cli/mirror-upstreams.ts'
import {readServerCertificate} from '../../lib/cli/serve-collector.ts'
import {describeServerEvent} from '../../lib/cli/server-log.ts'
import {ACCESS_FLAGS} from '../../lib/cli/transfer-flags.ts'
import {planWarming, WARM_FLAGS, warmingOf} from '../../lib/cli/warming.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'

interface MirrorServed {
  readonly url: string
  readonly upstreams: readonly string[]
  /** The folder, or the registry and the prefix in it, that holds what the mirror has. */
  readonly store: string
}

export default class MirrorServe extends BaseCommand<MirrorServed> {
  static override readonly summary = 'Serve a pull-through mirror that never loses what it has.'
  static override readonly description =
    `What is pulled through it is kept. What it has it serves for ever, by digest and by tag, with the upstream down at its start, in the midst of a pull or for days; a tag whose upstream
cannot be asked comes with a Warning header. What it has not, and cannot get, is answered with 503 and not as unknown. A tag moves when its new image is whole here, so a look at a moved tag loses nothing.
Layers that clients had already are fetched in the background, so that each image that was pulled survives its upstream; --no-complete leaves them out.
What is damaged on the disk is taken out of use and fetched anew.
Pushes are refused with 405. Credentials for upstreams are those of \`holdfast login\` and of HOLDFAST_AUTH_<HOST>_….
Several upstreams: clients say which with ns=HOST, as containerd does, or by the first part of the repository (ghcr.io/acme/web); else the first is meant.
With --store a registry keeps the images, and mirrors hold nothing: start as many as you like. /metrics, /healthz.
SIGINT or SIGTERM stops it: running requests and downloads have 10 s to finish. A second signal ends it at once.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --upstream docker.io',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --upstream ghcr.io --listen 127.0.0.1:5000',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --revalidate "library/*:latest=1m" --revalidate "**=1h"',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --listen 0.0.0.0:5000 --allow 10.0.0.0/8',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --store https://registry.internal/mirror',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --warm images.txt --warm-every 6h',
  ]
  static override readonly flags = {
    upstream: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      required: true,
      env: 'HOLDFAST_UPSTREAM',
      helpValue: 'URL',
      summary: 'What is mirrored: HOST[:PORT], a URL, or the name of a declared registry. Repeatable.',
    }),
    store: Flags.string({
      env: 'HOLDFAST_STORE',
      helpValue: 'REGISTRY[/PREFIX]',
      summary: 'The registry that keeps what the mirror has, so that any number of mirrors share it. Default: a folder of this machine.',
    }),
    listen: Flags.string({
      env: 'HOLDFAST_LISTEN',
      default: '127.0.0.1:5000',
      helpValue: 'HOST:PORT',
      summary: 'Where to listen; port 0 takes a free one.',
    }),
    allow: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_ALLOW',
      helpValue: 'CIDR',
      summary: 'Answer these networks, and nobody else; needed beyond loopback. Repeatable.',
    }),
    revalidate: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      env: 'HOLDFAST_REVALIDATE',
      helpValue: 'PATTERN=POLICY',
      summary:
        'How often tags are looked up again: never, always, or after a time such as 30m; the first pattern that fits counts. Default: 5m. Repeatable.',
    }),
    complete: Flags.boolean({
      allowNo: true,
      default: true,
      env: 'HOLDFAST_COMPLETE',
      summary: 'Fetch the layers of pulled images that clients had already, in the background, so that the image survives its upstream.',
    }),
    ...WARM_FLAGS,
    'tls-cert': Flags.string({
      env: 'HOLDFAST_TLS_CERT',
      helpValue: 'FILE',
      dependsOn: ['tls-key'],
      summary: 'Certificate of this server, PEM, with its chain.',
    }),
    'tls-key': Flags.string({env: 'HOLDFAST_TLS_KEY', helpValue: 'FILE', dependsOn: ['tls-cert'], summary: 'Its private key, PEM.'}),
    ...ACCESS_FLAGS,
  }

  async run(): Promise<MirrorServed> {
    const {flags} = await this.parse(MirrorServe)
    const {host, port} = parseListenAddress(flags.listen)
    const context = this.openContext(flags)
    const [{serveMirror}, {parseRevalidationRule}, {createNetworkAccess}, {createAddressPolicy}] = await Promise.all([
      import('../../lib/server/mirror.ts'),
      import('../../lib/content/pull-through/revalidation.ts'),
      import('../../lib/server/network-access.ts'),
      import('../../lib/core/address-policy.ts'),
    ])
    const rules = (flags.revalidate ?? []).map(parseRevalidationRule)
    const accessControl = flags.allow === undefined ? undefined : createNetworkAccess(createAddressPolicy(flags.allow))
    const tls = await readServerCertificate(flags)
    const planned = await planWarming(flags)
    const {place, upstreams} = await openUpstreams(context, flags.upstream, flags.store)
    const served = await serveMirror({
      host,
      port,
      tls,
      upstreams,
      rules,
      completes: flags.complete,
      accessControl,
      listener: (event) =>
        event.type === 'failure' ? this.output.note(describeServerEvent(event)) : this.output.trace(describeServerEvent(event)),
      onEvent: (upstream, event) => {
        if (event.type === 'moved') this.output.trace(text`${upstream}/${event.repository}:${event.tag} is ${event.digest} now`)
      },
      signal: context.signal,
    })
    context.defer(() => served.stop())
    const warming = planned?.start(await warmingOf(served, context.signal), this.output)
    if (warming !== undefined) context.defer(() => warming.stop())
    const {address} = served
    const url = `${tls === undefined ? 'http' : 'https'}://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
    const result = {url, upstreams: upstreams.map(({name}) => name), store: place}
    this.output.print(escapeText(url))
    this.output.note(text`mirroring ${result.upstreams.join(', ')} in ${place}; stop with Ctrl-C`)
    this.output.succeed(result)
    if (!context.signal.aborted) await once(context.signal, 'abort')
    this.output.note(text`stopping: running requests may finish`)
    return result
  }
}
