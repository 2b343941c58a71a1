/** Flags that every command has. Each flag of the program can also be given as `HOLDFAST_<FLAG>` in the environment. */
import * as Flags from '@oclif/core/flags'

const helpGroup = 'GLOBAL'

export const GLOBAL_FLAGS = {
  json: Flags.boolean({env: 'HOLDFAST_JSON', helpGroup, summary: 'Print one JSON envelope instead of text.'}),
  quiet: Flags.boolean({char: 'q', env: 'HOLDFAST_QUIET', helpGroup, summary: 'Print results and errors only.'}),
  debug: Flags.boolean({
    env: 'HOLDFAST_DEBUG',
    helpGroup,
    summary: 'Show requests, and where an error came from; never headers or bodies.',
  }),
  'data-dir': Flags.string({
    env: 'HOLDFAST_DATA_DIR',
    helpGroup,
    helpValue: 'DIR',
    summary: 'Where records and the embedded registry are kept.',
  }),
}

export interface GlobalFlags {
  readonly json?: boolean | undefined
  readonly quiet?: boolean | undefined
  readonly debug?: boolean | undefined
  readonly 'data-dir'?: string | undefined
}
