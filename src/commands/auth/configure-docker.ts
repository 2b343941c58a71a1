import {resolve} from 'node:path'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {type ConfigurationChange, describeChange} from '../../lib/cli/configuration-report.ts'
import type {Context} from '../../lib/cli/context.ts'
import {configurationJournal} from '../../lib/cli/data-directory.ts'
import {homeDirectory} from '../../lib/cli/home-directory.ts'
import {isInPath} from '../../lib/cli/program-path.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {text} from '../../lib/core/terminal-text.ts'
import {parseRegistryHost, type RegistryHost} from '../../lib/oci/reference.ts'

interface ConfigureResult extends ConfigurationChange {
  /** False when there was nothing to change. */
  readonly isChanged: boolean
}

/** What docker and podman run. */
const HELPER_PROGRAM = 'docker-credential-holdfast'

export default class AuthConfigureDocker extends BaseCommand<ConfigureResult> {
  static override readonly summary = 'Let docker or podman ask docker-credential-holdfast for the logins that Holdfast keeps.'
  static override readonly description =
    `Names the helper for each registry under credHelpers of docker's config.json, or of podman's auth.json. Every other byte of the file stays, and --undo gives back those that changed.
The change is shown first; on a terminal you are asked. Without --registry it is made for every registry that you are logged in to.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --registry docker.io --registry registry.example.com --yes',
    '<%= config.bin %> <%= command.id %> --podman',
    '<%= config.bin %> <%= command.id %> --undo',
  ]
  static override readonly flags = {
    registry: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_REGISTRY',
      helpValue: 'HOST',
      summary: 'For this registry. Repeatable. Default: all with a login; with --undo all that name the helper.',
    }),
    file: Flags.string({env: 'HOLDFAST_FILE', helpValue: 'FILE', summary: 'Change this file instead of the usual one.'}),
    podman: Flags.boolean({env: 'HOLDFAST_PODMAN', summary: "podman's auth.json, which skopeo and buildah read as well."}),
    undo: Flags.boolean({env: 'HOLDFAST_UNDO', summary: 'Take the change back.'}),
    yes: Flags.boolean({char: 'y', summary: 'Do not ask.'}),
  }

  async run(): Promise<ConfigureResult> {
    const {flags} = await this.parse(AuthConfigureDocker)
    const context = this.openContext(flags)
    const [{planConfiguration, planUndo}, {configurationFile}, {createFileJournal}] = await Promise.all([
      import('../../lib/credentials/configure-docker/configure.ts'),
      import('../../lib/credentials/configure-docker/configuration-file.ts'),
      import('../../lib/credentials/configure-docker/journal.ts'),
    ])
    const journal = createFileJournal(configurationJournal(context.dataDirectory))
    const tool = flags.podman ? 'podman' : 'docker'
    const file = flags.file === undefined ? configurationFile(tool, context.environment, homeDirectory()) : resolve(flags.file)
    const given = flags.registry?.map(parseRegistryHost)
    const plan = flags.undo
      ? await planUndo({file, tool, registries: given ?? []}, journal)
      : await planConfiguration({file, tool, registries: given ?? (await this.#registriesWithLogin(context))}, journal)
    const {path, changes} = plan
    for (const line of describeChange(plan)) this.output.print(line)
    const isChanged = changes.length > 0
    if (isChanged) {
      const question = {message: text`Change ${path}?`, flag: `holdfast auth configure-docker${flags.undo ? ' --undo' : ''} --yes`}
      if (!flags.yes && !(await this.prompts.confirm(question))) throw new HoldfastError('INTERRUPTED', `"${path}" was not changed`)
      await plan.apply()
      this.output.note(text`${path} was changed${flags.undo ? '' : '; to take it back: holdfast auth configure-docker --undo'}`)
    } else this.output.note(text`there is nothing to change in ${path}`)
    if (!flags.undo && !isInPath(HELPER_PROGRAM, context.environment)) {
      this.output.warn(text`${HELPER_PROGRAM} is not in PATH, where docker and podman look for it`)
    }
    return {path, changes, isChanged}
  }

  async #registriesWithLogin(context: Context): Promise<readonly RegistryHost[]> {
    const logins = await (await context.records()).listLogins()
    const registries = [...new Set(logins.filter(({pathPrefix}) => pathPrefix === undefined).map(({registry}) => registry))]
    if (registries.length > 0) return registries
    throw new HoldfastError('INPUT_REQUIRED', 'cannot choose registries: none was named, and nobody is logged in to a whole one', {
      hints: ['holdfast auth configure-docker --registry HOST', 'holdfast login REGISTRY'],
    })
  }
}
