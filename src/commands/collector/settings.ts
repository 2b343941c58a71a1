import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import type {Settings} from '../../lib/collector/api/settings-document.ts'
import {text} from '../../lib/core/terminal-text.ts'

export default class CollectorSettings extends CollectorCommand<Settings> {
  static override readonly summary = 'Show the settings of the collector, or change them.'
  static override readonly description =
    'Under the public policy every user has the privileges Manager, Pusher and Puller; under the private one those to whom they were granted.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --policy public']
  static override readonly flags = {
    policy: Flags.option({options: ['public', 'private'] as const, env: 'HOLDFAST_POLICY', summary: 'public or private.'})(),
    'responsible-sees': Flags.boolean({
      allowNo: true,
      env: 'HOLDFAST_RESPONSIBLE_SEES',
      summary: 'Who answers for a registry or an app sees it, though it was not published to him. The default.',
    }),
  }

  async run(): Promise<Settings> {
    const {flags} = await this.parse(CollectorSettings)
    const [collector, {showSettings, updateSettings}] = await Promise.all([
      this.openCollector(flags),
      import('../../lib/collector/api/settings.ts'),
    ])
    const {policy, 'responsible-sees': responsibleSees} = flags
    const change = {...(policy === undefined ? {} : {policy}), ...(responsibleSees === undefined ? {} : {responsibleSees})}
    const settings = Object.keys(change).length === 0 ? await collector.run(showSettings, {}) : await collector.run(updateSettings, change)
    this.output.print(text`policy: ${settings.policy}`)
    this.output.print(text`who is responsible sees: ${settings.responsibleSees ? 'yes' : 'no'}`)
    return settings
  }
}
