import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {DISCOVERY_FLAGS, openInstanceSource} from '../../lib/cli/discovery-flags.ts'
import {parseEnvironment, readRequest, stagerArgv} from '../../lib/cli/stager-request.ts'
import {escapeText} from '../../lib/core/terminal-text.ts'

interface StagerArguments {
  /** As the builder takes them; a password is `***` unless --show-secrets. */
  readonly args: readonly string[]
  readonly isCaching: boolean
}

export default class StagerArgs extends BaseCommand<StagerArguments> {
  static override readonly summary = 'Print the arguments that a stager gives the builder for an app.'
  static override readonly description =
    `One argument a line, in the order of the stager of 2015. The registry is looked for only when the app has opted in: DIEGO_DOCKER_CACHE is exactly "true".
The stager's own flags are taken with one dash as well: -consulCluster, -consulAgentURL, -dockerRegistryURL, -dockerRegistryAddress, -insecureDockerRegistry.
A password is shown as *** unless --show-secrets; better, leave it away and set HOLDFAST_BUILDER_PASSWORD for the builder.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --app shop --docker-image alpine:3.20 --environment DIEGO_DOCKER_CACHE=true --docker-registry-address 10.244.2.6:8080',
    '<%= config.bin %> <%= command.id %> --request - -consulCluster http://127.0.0.1:8500 < staging-request.json',
  ]
  static override readonly flags = {
    app: Flags.string({env: 'HOLDFAST_APP', helpValue: 'ID', summary: 'The app.'}),
    'docker-image': Flags.string({env: 'HOLDFAST_DOCKER_IMAGE', helpValue: 'IMAGE', summary: 'Its image.'}),
    environment: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      env: 'HOLDFAST_ENVIRONMENT',
      helpValue: 'NAME=VALUE',
      summary: 'A variable of the app. Repeatable.',
    }),
    request: Flags.string({
      env: 'HOLDFAST_REQUEST',
      exclusive: ['app', 'docker-image', 'environment'],
      helpValue: 'FILE',
      summary: 'Read all of it from a staging request of the Cloud Controller instead; - is standard input.',
    }),
    'docker-registry-url': Flags.string({
      env: 'HOLDFAST_DOCKER_REGISTRY_URL',
      helpValue: 'URL',
      summary: 'How images name the registry, and whether it speaks TLS. Default: its first instance.',
    }),
    'insecure-docker-registry': Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_INSECURE_DOCKER_REGISTRY',
      helpValue: 'HOST:PORT',
      summary: 'A registry whose certificate is not checked, or that has none. Repeatable.',
    }),
    'insecure-cache': Flags.boolean({
      env: 'HOLDFAST_INSECURE_CACHE',
      summary: 'All instances of the cache are insecure registries.',
    }),
    'show-secrets': Flags.boolean({env: 'HOLDFAST_SHOW_SECRETS', summary: 'Print the password where it stands.'}),
    ...DISCOVERY_FLAGS,
  }

  async run(): Promise<StagerArguments> {
    const {flags} = await this.parse(StagerArgs, stagerArgv(this.argv))
    const context = this.openContext(flags)
    const [{builderArguments}, {Secret}, {registryName}] = await Promise.all([
      import('../../lib/staging/stager/builder-arguments.ts'),
      import('../../lib/core/secret.ts'),
      import('../../lib/cli/stager-request.ts'),
    ])
    const request =
      flags.request === undefined
        ? {appId: flags.app ?? '', dockerImage: flags['docker-image'] ?? '', environment: parseEnvironment(flags.environment ?? [])}
        : await readRequest(flags.request, this.openContext(flags).signal)
    const address = flags['docker-registry-url'] === undefined ? undefined : registryName(flags['docker-registry-url'])
    const args = await builderArguments(request, {
      registryAddress: address,
      insecureRegistries: flags['insecure-docker-registry'] ?? [],
      isCacheInsecure: flags['insecure-cache'] === true || address?.isPlain === true,
      findInstances: async () => (await openInstanceSource(context, flags)).find(context.signal),
    })
    const shown = args.map((arg) => (arg instanceof Secret ? (flags['show-secrets'] ? arg.reveal() : String(arg)) : arg))
    for (const arg of shown) this.output.print(escapeText(arg))
    return {args: shown, isCaching: shown.includes('-cacheDockerImage')}
  }
}
