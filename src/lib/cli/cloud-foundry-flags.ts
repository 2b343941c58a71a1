/** The flag of all commands that work on a Cloud Foundry; everything else that they need of it is in variables and in sessions. */
import * as Flags from '@oclif/core/flags'

export const CF_SECRET_FLAG = {
  'cf-secret-stdin': Flags.boolean({
    helpGroup: 'PLATFORM',
    summary:
      'Read the password of HOLDFAST_CF_USERNAME, the secret of HOLDFAST_CF_CLIENT_ID, or a passcode for HOLDFAST_CF_API from standard input.',
  }),
}
