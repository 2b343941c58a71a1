import {once} from 'node:events'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {EVICTION_FLAGS, readEviction} from '../../lib/cli/eviction.ts'
import {parseListenAddress} from '../../lib/cli/listen-address.ts'
import {openUpstreams} from '../../lib/cli/mirror-upstreams.ts'
import {readServerCertificate} from '../../lib/cli/serve-collector.ts'
import {describeServerEvent} from '../../lib/cli/server-log.ts'
import {ACCESS_FLAGS} from '../../lib/cli/transfer-flags.ts'
import {formatBytes} from '../../lib/cli/units.ts'
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
    `What is pulled through it is kept. What it has it serves for ever, by digest and by tag, with the upstream down at its start, during a pull or for days; a tag whose upstream
cannot be asked comes with a Warning header. What it has not, and cannot get, is answered with 503 and not as unknown. A tag moves when its new image is whole here, so a look at a moved tag loses nothing.
Layers that clients had already are fetched in the background, so that each image that was pulled survives its upstream; --no-complete leaves them out.
What is damaged on the disk is taken out of use and fetched again.
Pushes are refused with 405. Credentials for upstreams are those of \`holdfast login\` and of HOLDFAST_AUTH_<HOST>_….
Several upstreams: clients name one by ns=HOST, as containerd does, or by the first part of the repository (ghcr.io/acme/web). A registry that is not mirrored, or none, is 404: no image is served under
the name of another registry. dockerd and Concourse cannot name a registry and mean Docker Hub: --unnamed docker.io.
With --store a registry keeps the images, and mirrors hold nothing: start as many as you like. /metrics, /healthz; /clients says what each client pulled ("mirror status --mirror").
--max-size and --max-unused evict whole images, least recently used first. An image stays if it was served in the last 24 hours, if --keep names it, if its upstream is unreachable, or if
its upstream no longer has it. When nothing may be evicted, new images are passed on without being kept.
SIGINT or SIGTERM stops it: running requests and downloads have 10 s to finish. A second signal ends it at once.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --upstream docker.io',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --upstream ghcr.io --unnamed docker.io --listen 127.0.0.1:5000',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --revalidate "library/*:latest=1m" --revalidate "**=1h"',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --listen 0.0.0.0:5000 --allow 10.0.0.0/8',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --store https://registry.internal/mirror',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --warm images.txt --warm-every 6h',
    '<%= config.bin %> <%= command.id %> --upstream docker.io --max-size 500GB --max-unused 90d --keep "library/*"',
  ]
  static override readonly flags = {
    upstream: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      required: true,
      env: 'HOLDFAST_UPSTREAM',
      helpValue: 'URL',
      summary: 'Registry to mirror: HOST[:PORT], a URL, or the name of a declared registry, each with an optional /PATH. Repeatable.',
    }),
    unnamed: Flags.string({
      env: 'HOLDFAST_UNNAMED',
      helpValue: 'HOST',
      summary: 'Upstream of requests that name no registry. Default: the only upstream; 404 where there are several.',
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
    'trusted-proxy': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_TRUSTED_PROXY',
      helpValue: 'CIDR',
      summary:
        'Believe X-Forwarded-For of these addresses only, in what "mirror status" and metrics say of clients; --allow is about connections. Repeatable.',
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
    ...EVICTION_FLAGS,
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
    const isProxy = flags['trusted-proxy'] === undefined ? undefined : createAddressPolicy(flags['trusted-proxy'])
    const tls = await readServerCertificate(flags, context.signal)
    const planned = await planWarming(flags, context.signal)
    const eviction = readEviction(flags)
    const {place, upstreams, unnamed} = await openUpstreams(context, flags.upstream, {
      store: flags.store,
      unnamed: flags.unnamed,
      quota: eviction.quota,
    })
    const served = await serveMirror({
      host,
      port,
      tls,
      upstreams,
      unnamed,
      rules,
      completes: flags.complete,
      eviction,
      accessControl,
      isProxy,
      listener: (event) =>
        event.type === 'failure' ? this.output.note(describeServerEvent(event)) : this.output.trace(describeServerEvent(event)),
      onEvent: (upstream, event) => {
        if (event.type === 'moved') this.output.trace(text`${upstream}/${event.repository}:${event.tag} is ${event.digest} now`)
      },
      minimumRate: context.settings.minimumRate,
      onEvicted: (upstream, {repository, digest}, {outcome, freedBytes}) =>
        this.output.trace(text`${upstream}/${repository}@${digest}: eviction, ${outcome}, ${formatBytes(freedBytes)} freed`),
      signal: context.signal,
    })
    context.defer(() => served.stop())
    const warming = planned?.start(await warmingOf(served, context.signal), this.output)
    if (warming !== undefined) context.defer(() => warming.stop())
    const {address} = served
    const url = `${tls === undefined ? 'http' : 'https'}://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
    const result = {url, upstreams: upstreams.map(({name}) => name), store: place}
    await this.output.announce(escapeText(url), result)
    this.output.note(text`mirroring ${result.upstreams.join(', ')} in ${place}; stop with Ctrl-C`)
    if (!context.signal.aborted) await once(context.signal, 'abort')
    this.output.note(text`stopping: running requests may finish`)
    return result
  }
}
