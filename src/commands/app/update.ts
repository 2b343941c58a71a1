import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import {describeApps} from '../../lib/cli/collector-report.ts'
import type {App} from '../../lib/collector/objects.ts'

export default class AppUpdate extends CollectorCommand<App> {
  static override readonly summary = 'Replace the groups of an app.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> shop --responsible shop-team,ops']
  static override readonly args = {name: Args.string({required: true, description: 'its code'})}
  static override readonly flags = {
    responsible: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_RESPONSIBLE',
      helpValue: 'GROUP',
      summary: 'A group that may push below apps/CODE/. Repeatable.',
    }),
    publication: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_PUBLICATION',
      helpValue: 'GROUP',
      summary: 'A group that may pull from there. Repeatable.',
    }),
  }

  async run(): Promise<App> {
    const {args, flags} = await this.parse(AppUpdate)
    const [collector, {updateApp}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/apps.ts')])
    const {responsible, publication} = flags
    const app = await collector.run(updateApp, {
      code: args.name,
      ...(responsible === undefined ? {} : {responsibles: responsible}),
      ...(publication === undefined ? {} : {publications: publication}),
    })
    this.printRows(describeApps([app]))
    return app
  }
}
