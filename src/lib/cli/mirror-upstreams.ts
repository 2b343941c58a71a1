/** What a mirror mirrors: registries by name, host or URL, each with a folder of its own. None of them is asked anything yet. */
import {join} from 'node:path'
import {HoldfastError} from '../core/errors.ts'
import {findEndpoint} from '../registries/find.ts'
import type {MirroredUpstream} from '../server/mirror.ts'
import type {Context} from './context.ts'
import {mirrorDirectory} from './data-directory.ts'

/** @throws {HoldfastError} USAGE for the same upstream twice; REGISTRY_NOT_DECLARED, CONFIGURATION, INVALID_REFERENCE. */
export async function openUpstreams(context: Context, names: readonly string[]): Promise<[MirroredUpstream, ...MirroredUpstream[]]> {
  const records = await context.records()
  const upstreams: MirroredUpstream[] = []
  for (const text of names) {
    const {endpoint} = await findEndpoint(records, text)
    const name = endpoint.registry
    if (upstreams.some((upstream) => upstream.name === name)) {
      throw new HoldfastError('USAGE', `cannot mirror "${name}": it is named twice`)
    }
    const directory = join(mirrorDirectory(context.dataDirectory), encodeURIComponent(name))
    upstreams.push({name, store: await context.openUpstream(endpoint), directory})
  }
  const [first, ...others] = upstreams
  if (first === undefined) throw new HoldfastError('USAGE', 'cannot mirror nothing: name an upstream', {hints: ['--upstream docker.io']})
  return [first, ...others]
}
