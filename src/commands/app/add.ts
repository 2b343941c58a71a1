import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../lib/cli/collector-command.ts'
import type {App} from '../../lib/collector/objects.ts'
import {escapeText} from '../../lib/core/terminal-text.ts'

export default class AppAdd extends CollectorCommand<App> {
  static override readonly summary = 'Add an app, whose images lie below apps/CODE/.'
  static override readonly examples = ['<%= config.bin %> <%= command.id %> shop --responsible shop-team --publication everybody']
  static override readonly args = {name: Args.string({required: true, description: 'its code: a component of a repository name'})}
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
    const {args, flags} = await this.parse(AppAdd)
    const [collector, {addApp}] = await Promise.all([this.openCollector(flags), import('../../lib/collector/api/apps.ts')])
    const {responsible, publication} = flags
    const app = await collector.run(addApp, {
      code: args.name,
      ...(responsible === undefined ? {} : {responsibles: responsible}),
      ...(publication === undefined ? {} : {publications: publication}),
    })
    this.output.print(escapeText(app.code))
    return app
  }
}
