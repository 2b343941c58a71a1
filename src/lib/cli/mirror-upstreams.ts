/** What a mirror mirrors: registries by name, host or URL, each with a place of its own for what the mirror has of it. None of them is asked anything yet. */
import {existsSync} from 'node:fs'
import {join} from 'node:path'
import type {Quota} from '../content/disk/quota.ts'
import type {FilesystemStore} from '../content/filesystem/store.ts'
import type {MirrorCache} from '../content/pull-through/cache.ts'
import type {RegistryCacheOptions} from '../content/pull-through/registry-cache.ts'
import {createRenamedSource} from '../content/renamed-source.ts'
import {HoldfastError} from '../core/errors.ts'
import {parseRepositoryName, type RepositoryName} from '../oci/reference.ts'
import type {RegistryStore} from '../records/store.ts'
import {findEndpoint} from '../registries/find.ts'
import type {MirroredUpstream} from '../server/mirror.ts'
import type {Context} from './context.ts'
import {mirrorDirectory} from './data-directory.ts'
import {repositoryPathOf} from './mirror-values.ts'
import {prepareDataDirectory} from './prepare-data-directory.ts'

/** Repositories of a mirror in a registry, unless told otherwise: `mirror/docker.io/library/alpine`. */
const DEFAULT_PREFIX = 'mirror'

interface Cache {
  /** As people may read it. */
  readonly place: string
  readonly open: (upstream: string, path: RepositoryName) => Promise<MirrorCache>
}

export interface OpenMirrors {
  /** Where they keep what they have, as people may read it. */
  readonly place: string
  readonly upstreams: [MirroredUpstream, ...MirroredUpstream[]]
  /** The name of the upstream that requests without one are about, where that was said. */
  readonly unnamed: string | undefined
}

export interface OpenUpstreamsOptions {
  /** `REGISTRY[/PREFIX]` that keeps what the mirror has; a folder of this machine when absent. */
  readonly store?: string | undefined
  /** The upstream that requests without a registry are about, as users name it. */
  readonly unnamed?: string | undefined
  /** What the folder may take; everything when absent. */
  readonly quota?: Quota | undefined
}

/**
 * Opens the upstreams of a mirror.
 * @throws {HoldfastError} USAGE for the same upstream twice, or an `unnamed` that is none of them; REGISTRY_NOT_DECLARED, CONFIGURATION, INVALID_REFERENCE; STORAGE for a folder that cannot be written.
 */
export async function openUpstreams(
  context: Context,
  names: readonly string[],
  {store, unnamed, quota}: OpenUpstreamsOptions = {},
): Promise<OpenMirrors> {
  const records = await context.records()
  const cache = store === undefined ? await diskCache(context, quota) : await registryCache(context, store)
  const upstreams: MirroredUpstream[] = []
  for (const text of names) {
    const {registry, folder} = splitUpstream(text)
    const {endpoint} = await findEndpoint(records, registry, context.signal)
    const name = folder === undefined ? endpoint.registry : `${endpoint.registry}/${folder}`
    if (upstreams.some((upstream) => upstream.name === name)) {
      throw new HoldfastError('USAGE', `cannot mirror "${name}": it is named twice`)
    }
    const path = parseRepositoryName([repositoryPathOf(endpoint.registry), ...(folder === undefined ? [] : [folder])].join('/'))
    const sameInPaths = upstreams.find((upstream) => upstream.path === path)
    if (sameInPaths !== undefined) {
      throw new HoldfastError('USAGE', `cannot mirror "${name}" beside "${sameInPaths.name}": clients name both by the path "${path}"`, {
        hints: ['start a mirror for each of them'],
      })
    }
    const opened = await context.openUpstream(endpoint)
    const source =
      folder === undefined ? opened : createRenamedSource(opened, (repository) => parseRepositoryName(`${folder}/${repository}`))
    upstreams.push({name, path, store: source, openCache: () => cache.open(name, path)})
  }
  const [first, ...others] = upstreams
  if (first === undefined) throw new HoldfastError('USAGE', 'cannot mirror nothing: name an upstream', {hints: ['--upstream docker.io']})
  return {place: cache.place, upstreams: [first, ...others], unnamed: await unnamedAmong(records, upstreams, unnamed)}
}

async function unnamedAmong(
  records: RegistryStore,
  upstreams: readonly MirroredUpstream[],
  text: string | undefined,
): Promise<string | undefined> {
  if (text === undefined) return undefined
  const {endpoint} = await findEndpoint(records, text)
  if (upstreams.some(({name}) => name === endpoint.registry)) return endpoint.registry
  const names = upstreams.map(({name}) => name)
  throw new HoldfastError(
    'USAGE',
    `cannot serve requests without a registry from "${endpoint.registry}": it is not an upstream of this mirror`,
    {
      hints: names.map((name) => `--unnamed ${name}`),
    },
  )
}

/**
 * `harbor.example.com/proxy-project`: what is mirrored lies below a path of its registry, as in a proxy project of Harbor or a remote repository of Artifactory. A URL may end in `/v2/`.
 * @throws {HoldfastError} INVALID_REFERENCE for a path that no repository has.
 */
function splitUpstream(text: string): {readonly registry: string; readonly folder: RepositoryName | undefined} {
  const [scheme = ''] = /^[a-z]+:\/\//i.exec(text) ?? []
  const rest = text.slice(scheme.length)
  const [host = '', ...parts] = rest.replace(/\/$/, '').split('/')
  const path = (parts[0] === 'v2' ? parts.slice(1) : parts).join('/')
  if (path === '') return {registry: text, folder: undefined}
  return {registry: `${scheme}${host}`, folder: parseRepositoryName(path)}
}

async function diskCache({dataDirectory}: Context, quota: Quota | undefined): Promise<Cache> {
  const place = mirrorDirectory(dataDirectory)
  // What is there is served, also when its disk takes no more.
  if (!existsSync(place)) await prepareDataDirectory(dataDirectory, place)
  const disks: FilesystemStore[] = []
  return {
    place,
    open: async (upstream) => {
      const [{createDiskCache}, {createFilesystemStore}] = await Promise.all([
        import('../content/pull-through/disk-cache.ts'),
        import('../content/filesystem/store.ts'),
      ])
      const disk = createFilesystemStore({root: join(place, encodeURIComponent(upstream)), quota})
      disks.push(disk)
      return createDiskCache({disk, disks})
    },
  }
}

async function registryCache(context: Context, text: string): Promise<Cache> {
  const [, scheme = '', nameOrHost = '', prefix = DEFAULT_PREFIX] = /^(https?:\/\/)?([^/]+)(?:\/(.+?))?\/?$/.exec(text) ?? []
  const {endpoint} = await findEndpoint(await context.records(), `${scheme}${nameOrHost}`, context.signal)
  const folder = parseRepositoryName(prefix)
  let locations: RegistryCacheOptions['locations']
  return {
    place: `${endpoint.registry}/${folder}`,
    open: async (upstream, path) => {
      const [{createLocations, createRegistryCache}, registry] = await Promise.all([
        import('../content/pull-through/registry-cache.ts'),
        context.openRegistry(endpoint),
      ])
      locations ??= createLocations()
      const scratchDirectory = join(mirrorDirectory(context.dataDirectory), 'scratch', encodeURIComponent(upstream))
      return createRegistryCache({registry, prefix: parseRepositoryName(`${folder}/${path}`), scratchDirectory, locations})
    },
  }
}
