/** Which declared registry is meant when none was named. */

import {HoldfastError} from '../core/errors.ts'
import {text} from '../core/terminal-text.ts'
import type {RegistryStore} from '../records/store.ts'
import type {Prompts} from './prompts.ts'

/**
 * Answers `name`, or asks for one of the declared registries.
 * @throws {HoldfastError} INPUT_REQUIRED without a terminal; REGISTRY_NOT_DECLARED when there is none to choose from.
 */
export async function chooseRegistry(name: string | undefined, store: RegistryStore, prompts: Prompts, command: string): Promise<string> {
  if (name !== undefined) return name
  const choices = (await store.listRegistries()).map((registry) => ({
    name: text`${registry.name} (${registry.host})`,
    value: registry.name,
  }))
  if (choices.length === 0 && prompts.isInteractive) {
    throw new HoldfastError('REGISTRY_NOT_DECLARED', 'cannot choose a registry: none is declared', {
      hints: ['holdfast registry add NAME URL'],
    })
  }
  return prompts.select({message: text`Which registry?`, flag: `holdfast registry ${command} NAME`, choices})
}
