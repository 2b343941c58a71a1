/** What clients remove from the served registry stays removed: the records of this machine say so, and its copies are neither healed nor answered with. */
import {HoldfastError} from '../core/errors.ts'
import {text} from '../core/terminal-text.ts'
import {parseRegistryHost, type RegistryHost} from '../oci/reference.ts'
import type {RemovalListener} from '../server/removals.ts'
import type {Context} from './context.ts'
import type {Output} from './output.ts'

/** @param publicUrl how clients see the server, where it has such a name. */
export function recordRemovals(context: Context, publicUrl: string | undefined, output: Output): RemovalListener {
  return async (image) => {
    try {
      const records = await context.records()
      const removedAt = new Date().toISOString()
      for (const registry of await namesOf(context, publicUrl)) await records.recordImageRemoval({...image, registry}, removedAt)
    } catch (error) {
      // The client's request does not need the records.
      if (!(error instanceof HoldfastError)) throw error
      output.note(text`${image.repository}@${image.digest} was removed, which could not be recorded: ${error.message}`)
    }
  }
}

/** The names that images of the served registry may be recorded under: as other commands of this machine call it, as it listens, and as it is published. */
async function namesOf(context: Context, publicUrl: string | undefined): Promise<ReadonlySet<RegistryHost>> {
  const embeddedRegistry = await context.embeddedRegistry()
  const port = /:[0-9]+$/.exec(embeddedRegistry)?.[0] ?? ''
  const loopback = ['127.0.0.1', 'localhost', '[::1]'].map((host) => parseRegistryHost(`${host}${port}`))
  const published = publicUrl === undefined ? [] : [parseRegistryHost(new URL(publicUrl).host)]
  return new Set([embeddedRegistry, ...loopback, ...published])
}
