/** Mirrors of this machine without their upstream: served on a loopback port from what they have, and read over HTTP as clients do. */

import {keptImagesOf} from '../content/pull-through/kept-images.ts'
import {createRenamedSource} from '../content/renamed-source.ts'
import {HoldfastError} from '../core/errors.ts'
import type {OfflineMirror} from '../mirror/verify.ts'
import {parseReference, parseRepositoryName, type Reference, type RepositoryName} from '../oci/reference.ts'
import type {MirroredUpstream} from '../server/mirror.ts'
import type {Context} from './context.ts'
import {readInputFile} from './input-file.ts'

const refuse = async (): Promise<never> => {
  throw new HoldfastError('NETWORK', 'the upstream is not asked while the mirror is verified')
}

/** Cannot be reached. */
const NO_UPSTREAM: MirroredUpstream['store'] = {
  statBlob: refuse,
  readBlob: refuse,
  statManifest: refuse,
  readManifest: refuse,
  listReferrers: refuse,
  // biome-ignore lint/correctness/useYield: there is nothing to list
  async *listTags() {
    await refuse()
  },
}

export async function openOfflineMirror(context: Context, upstream: MirroredUpstream): Promise<OfflineMirror> {
  const [{serveMirror}, {undeclaredEndpoint}, {parseRegistryHost}] = await Promise.all([
    import('../server/mirror.ts'),
    import('../registries/endpoint.ts'),
    import('../oci/reference.ts'),
  ])
  const served = await serveMirror({
    host: '127.0.0.1',
    port: 0,
    upstreams: [{...upstream, store: NO_UPSTREAM}],
    rules: [],
    recordsUse: false,
    completes: false,
  })
  const host = parseRegistryHost(`127.0.0.1:${served.address.port}`)
  const store = await context.openUpstream(await undeclaredEndpoint(host, {plainHttp: true}))
  return {store: createRenamedSource(store, (repository) => repositoryWithin(upstream, repository)), stop: () => served.stop()}
}

/** Whether an image is one of an upstream. */
export function isOfUpstream({name}: Pick<MirroredUpstream, 'name'>, {registry, repository}: Reference): boolean {
  return `${registry}/${repository}`.startsWith(`${name}/`)
}

/** A repository as an upstream below a path of its registry calls it. */
export function repositoryWithin({name}: Pick<MirroredUpstream, 'name'>, repository: RepositoryName): RepositoryName {
  const folder = name.includes('/') ? name.slice(name.indexOf('/') + 1) : undefined
  return folder === undefined ? repository : parseRepositoryName(repository.slice(folder.length + 1))
}

/** Every tag that a mirror has, and every image that it has without a tag. */
export async function mirroredImages({name, openCache}: MirroredUpstream): Promise<readonly Reference[]> {
  const store = await openCache()
  try {
    const images: Reference[] = []
    for await (const repository of store.listRepositories()) {
      for await (const tag of store.listTags(repository)) images.push(parseReference(`${name}/${repository}:${tag}`))
      for (const {tags, digest} of await keptImagesOf(store.kept, repository)) {
        if (tags.length === 0) images.push(parseReference(`${name}/${repository}@${digest}`))
      }
    }
    return images
  } finally {
    await store.close()
  }
}

/**
 * Reads images from a file, one a line; `#` begins a remark.
 * @throws {HoldfastError} CONFIGURATION when it cannot be read; INVALID_REFERENCE with its line.
 */
export async function readImageList(file: string, signal: AbortSignal): Promise<readonly Reference[]> {
  const text = (await readInputFile(file, signal)).toString('utf8')
  return text.split('\n').flatMap((line, index) => {
    const image = line.replace(/(?:^|\s)#.*$/, '').trim()
    if (image === '') return []
    try {
      return [parseReference(image)]
    } catch (cause) {
      if (!(cause instanceof HoldfastError)) throw cause
      throw new HoldfastError(cause.code, `cannot read line ${index + 1} of "${file}": ${cause.message}`, {hints: cause.hints, cause})
    }
  })
}
