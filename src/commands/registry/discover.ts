import * as Args from '@oclif/core/args'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {formatCount} from '../../lib/cli/units.ts'

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
  static override readonly examples = ['<%= config.bin %> <%= command.id %> internal']
  static override readonly args = {name: Args.string({required: true, description: 'the managed registry'})}

  async run(): Promise<Discovery> {
    const {args, flags} = await this.parse(RegistryDiscover)
    const [collector, {discoverRegistry}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/access.ts')])
    const result = await collector.run(discoverRegistry, {name: args.name})
    this.output.print(`${formatCount(result.repositories, 'repository', 'repositories')}, ${formatCount(result.tags, 'tag')}`)
    if (result.reason !== undefined) this.output.warn(`not everything could be read, so nothing was forgotten: ${result.reason}`)
    else
      this.output.note(
        `forgotten: ${formatCount(result.purgedRepositories, 'repository', 'repositories')}, ${formatCount(result.purgedTags, 'tag')}`,
      )
    return result
  }
}
