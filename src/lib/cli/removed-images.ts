/** What is removed from the embedded registry on purpose stays removed: the records of this machine say so, and its copies are neither healed nor answered with. */
import {HoldfastError} from '../core/errors.ts'
import {text} from '../core/terminal-text.ts'
import type {Digest} from '../oci/digest.ts'
import type {RegistryHost, RepositoryName} from '../oci/reference.ts'
import type {RemovalListener} from '../server/removals.ts'
import type {Context} from './context.ts'
import type {Output} from './output.ts'

/** Records what clients remove through the server. */
export function recordRemovals(context: Context, output: Output): RemovalListener {
  return async (image) => {
    try {
      await recordRemoval({...image, registry: await context.embeddedRegistry()}, context)
    } catch (error) {
      // The client's request does not need the records.
      if (!(error instanceof HoldfastError)) throw error
      output.note(text`${image.repository}@${image.digest} was removed, which could not be recorded: ${error.message}`)
    }
  }
}

/** Records a removal; from the embedded registry, under every name that it may have been recorded with. */
export async function recordRemoval(
  image: {readonly registry: RegistryHost; readonly repository: RepositoryName; readonly digest: Digest},
  context: Context,
): Promise<void> {
  const [records, embeddedNames] = await Promise.all([context.records(), context.embeddedNames()])
  const removedAt = new Date().toISOString()
  for (const registry of embeddedNames.has(image.registry) ? embeddedNames : [image.registry])
    await records.recordImageRemoval({...image, registry}, removedAt)
}
