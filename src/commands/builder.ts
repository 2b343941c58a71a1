import {existsSync} from 'node:fs'
import type {BuilderSettings} from '../lib/builder/builder-flags.ts'
import type {BuilderResult} from '../lib/builder/run-builder.ts'
import {BaseCommand} from '../lib/cli/base-command.ts'
import {builderAccess, globalFlags} from '../lib/cli/builder-access.ts'
import {escapeText} from '../lib/core/terminal-text.ts'

export default class Builder extends BaseCommand<BuilderResult> {
  static override readonly summary = 'Stage an image as the builder of Diego’s Docker lifecycle does, without a docker daemon.'
  static override readonly description =
    `For operators of a platform of their own. Takes the flags of the builder, of both generations, with one dash or two; prints its progress lines, and ends with its messages and exit codes.

  -dockerRef IMAGE                    the image (-dockerImageURL docker://… of before October 2015)
  -outputMetadataJSONFilename FILE    the staging result, written whole or not at all; default /tmp/result/result.json
  -cacheDockerImage                   cache it, under a fresh GUID
  -dockerRegistryHost HOST  -dockerRegistryPort N  -dockerRegistryIPs IP,IP  -dockerRegistryRequireTLS
  -dockerRegistryAddresses IP:PORT,…  the same of before August 2015, with the result of that time
  -insecureDockerRegistries HOST:PORT,…
  -dockerUser NAME  -dockerPassword PASSWORD  -dockerLoginServer URL  -dockerEmail ADDRESS
                                      what the image's own registry is shown, also without -cacheDockerImage; the last two are not needed
  -dockerDaemonExecutablePath FILE    docker, podman or skopeo instead of Holdfast's own copying
  -pinDigest=false                    omit the digest from the result, as upstream does
  -h                                  print the usage as the builder does
  --trust-host [REGISTRY=]HOST  --min-rate KB/S  --max-wait SECONDS
                                      as with \`holdfast cache-image\`; two dashes

The password is also read from HOLDFAST_BUILDER_PASSWORD: every user of the machine can see arguments.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> -dockerRef alpine:3.20 -outputMetadataJSONFilename result.json',
    '<%= config.bin %> <%= command.id %> -dockerRef alpine:3.20 -cacheDockerImage -dockerRegistryHost docker-registry.service.cf.internal -dockerRegistryPort 8080 -dockerRegistryIPs 10.244.2.6,10.244.2.7',
  ]
  static override readonly strict = false

  async run(): Promise<BuilderResult> {
    const {args, flags} = globalFlags(this.argv)
    const [{parseBuilderArguments}, {runBuilder}, {UsageRequested}] = await Promise.all([
      import('../lib/builder/builder-flags.ts'),
      import('../lib/builder/run-builder.ts'),
      import('../lib/builder/go-flags.ts'),
    ])
    const password = process.env.HOLDFAST_BUILDER_PASSWORD
    const given = password ? [...args, '-dockerPassword', password] : args
    let settings: BuilderSettings
    try {
      settings = parseBuilderArguments(given, existsSync)
    } catch (error) {
      if (!(error instanceof UsageRequested)) throw error
      this.output.instruct(error.lines.map(escapeText))
      this.exit(0)
    }
    const context = this.openContext(flags)
    return await runBuilder(settings, {...(await builderAccess(context)), say: (line) => this.output.print(escapeText(line))})
  }
}
