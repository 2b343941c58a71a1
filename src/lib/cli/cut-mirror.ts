/** Mirrors of this machine with their upstream cut: served on a port of loopback from what they have, and read over HTTP as clients do. */
import {HoldfastError} from '../core/errors.ts'
import type {CutMirror} from '../mirror/drill.ts'
import {parseReference, type Reference} from '../oci/reference.ts'
import type {MirroredUpstream} from '../server/mirror.ts'
import type {Context} from './context.ts'
import {readInputFile} from './input-file.ts'

const cut = async (): Promise<never> => {
  throw new HoldfastError('NETWORK', 'the upstream is cut for the drill')
}

/** Answers for nothing that it is asked. */
const CUT_UPSTREAM: MirroredUpstream['store'] = {
  statBlob: cut,
  readBlob: cut,
  statManifest: cut,
  readManifest: cut,
  listReferrers: cut,
  // biome-ignore lint/correctness/useYield: there is nothing to list
  async *listTags() {
    await cut()
  },
}

export async function openCutMirror(context: Context, upstream: MirroredUpstream): Promise<CutMirror> {
  const [{serveMirror}, {undeclaredEndpoint}, {parseRegistryHost}] = await Promise.all([
    import('../server/mirror.ts'),
    import('../registries/endpoint.ts'),
    import('../oci/reference.ts'),
  ])
  const served = await serveMirror({
    host: '127.0.0.1',
    port: 0,
    upstreams: [{...upstream, store: CUT_UPSTREAM}],
    rules: [],
    completes: false,
  })
  const host = parseRegistryHost(`127.0.0.1:${served.address.port}`)
  const store = await context.openUpstream(await undeclaredEndpoint(host, {plainHttp: true}))
  return {store, stop: () => served.stop()}
}

/** Every tag that a mirror has. */
export async function mirroredImages({name, openCache}: MirroredUpstream): Promise<readonly Reference[]> {
  const store = await openCache()
  try {
    const images: Reference[] = []
    for await (const repository of store.listRepositories()) {
      for await (const tag of store.listTags(repository)) images.push(parseReference(`${name}/${repository}:${tag}`))
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
export async function readImageList(file: string): Promise<readonly Reference[]> {
  const text = (await readInputFile(file)).toString('utf8')
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
