/** Flags of commands that work on what a mirror keeps: as they were given to "mirror serve". */
import * as Flags from '@oclif/core/flags'

export const MIRROR_FLAGS = {
  upstream: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
    required: true,
    env: 'HOLDFAST_UPSTREAM',
    helpValue: 'URL',
    summary: 'As it was given to "mirror serve". Repeatable.',
  }),
  store: Flags.string({env: 'HOLDFAST_STORE', helpValue: 'REGISTRY[/PREFIX]', summary: 'As it was given to "mirror serve".'}),
}
