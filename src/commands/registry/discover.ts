import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {PartialFailure} from '../../lib/cli/partial-failure.ts'
import {formatCount} from '../../lib/cli/units.ts'
import {text} from '../../lib/core/terminal-text.ts'

interface Discovery {
  readonly registry: string
  /** False: something could not be read, and nothing was forgotten. */
  readonly isComplete: boolean
  readonly reason?: string
  readonly repositories: number
  readonly tags: number
  readonly asked: number
  readonly purgedRepositories: number
  readonly purgedTags: number
}

export default class RegistryDiscover extends CollectorCommand<Discovery> {
  static override readonly summary = 'Look now what a managed registry has; serve does so every two minutes.'
  static override readonly description =
    'For administrators, and for managers who are responsible for the registry. Where something cannot be read, what was read is kept, nothing is forgotten, and the exit code is 9.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> internal']
  static override readonly args = {name: Args.string({required: true, description: 'the managed registry'})}

  async run(): Promise<Discovery> {
    const {args, flags} = await this.parse(RegistryDiscover)
    const [collector, {discoverRegistry}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/access.ts')])
    const result = await collector.run(discoverRegistry, {name: args.name})
    this.output.print(text`${formatCount(result.repositories, 'repository', 'repositories')}, ${formatCount(result.tags, 'tag')}`)
    if (result.reason !== undefined) {
      throw new PartialFailure(`cannot read all of "${args.name}", so nothing was forgotten: ${result.reason}`, result, [
        `holdfast registry check ${args.name}`,
      ])
    }
    const purged = [formatCount(result.purgedRepositories, 'repository', 'repositories'), formatCount(result.purgedTags, 'tag')]
    this.output.note(text`forgotten: ${purged.join(', ')}`)
    return result
  }
}
