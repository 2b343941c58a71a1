/** The question whether a token endpoint that is not known to belong to a registry may have its credentials. */
import {text} from '../core/terminal-text.ts'
import type {ConfirmRealm} from '../registries/realm-consent.ts'
import type {Prompts} from './prompts.ts'

/** Undefined where no user can be asked: the error then names the flag. */
export function confirmRealm(prompts: Prompts): ConfirmRealm | undefined {
  if (!prompts.isInteractive) return undefined
  return async ({registry, host, reason}) =>
    await prompts.confirm({
      message: text`${registry} wants its credentials sent to ${host}: ${reason}. Trust ${host} with them?`,
      flag: `--trust-host ${host}`,
    })
}
