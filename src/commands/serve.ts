import {once} from 'node:events'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../lib/cli/base-command.ts'
import {DEFAULT_LISTEN} from '../lib/cli/context.ts'
import {registryDirectory} from '../lib/cli/data-directory.ts'
import {parseListenAddress} from '../lib/cli/listen-address.ts'
import {describeServerEvent} from '../lib/cli/server-log.ts'

export interface ServeResult {
  /** `host:port`, as references name the registry. */
  readonly registry: string
  readonly url: string
  readonly directory: string
  readonly readOnly: boolean
}

export default class Serve extends BaseCommand<ServeResult> {
  static override readonly summary = 'Serve the embedded registry on this machine.'
  static override readonly description = `Serves what is cached in the embedded registry, and takes pushes, over the OCI distribution API.
It has no authentication and therefore listens on loopback only. SIGINT or SIGTERM stops it; running uploads finish or can be resumed.
With --json the envelope is printed as soon as it listens.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --listen 127.0.0.1:0 --json',
    '<%= config.bin %> <%= command.id %> --read-only --data-dir ./data',
  ]
  static override readonly flags = {
    listen: Flags.string({
      env: 'HOLDFAST_LISTEN',
      default: DEFAULT_LISTEN,
      helpValue: 'HOST:PORT',
      summary: 'Where to listen; port 0 takes a free one.',
    }),
    'read-only': Flags.boolean({env: 'HOLDFAST_READ_ONLY', summary: 'Refuse every change.'}),
  }

  async run(): Promise<ServeResult> {
    const {flags} = await this.parse(Serve)
    const {host, port} = parseListenAddress(flags.listen)
    const {dataDirectory, signal} = this.openContext(flags)
    const directory = registryDirectory(dataDirectory)
    const readOnly = flags['read-only'] ?? false
    const {serveRegistry} = await import('../lib/server/serve.ts')
    const served = await serveRegistry({
      host,
      port,
      dataDirectory: directory,
      readOnly,
      listener: (event) => {
        if (event.type === 'failure') this.output.note(describeServerEvent(event))
        else this.output.trace(describeServerEvent(event))
      },
    })
    const {address} = served
    const registry = `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
    const result = {registry, url: `http://${registry}`, directory, readOnly}
    this.output.print(result.url)
    this.output.note(`serving ${directory}; stop with Ctrl-C`)
    this.output.succeed(result)
    if (!signal.aborted) await once(signal, 'abort')
    this.output.note('stopping: running requests may finish')
    await served.stop()
    return result
  }
}
