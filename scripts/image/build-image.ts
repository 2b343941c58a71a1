/** An image of Holdfast as an OCI layout: four layers for each platform, from the one that changes least to the one that changes with each release. */
import {existsSync} from 'node:fs'
import {mkdir, mkdtemp, readdir, readFile, rename, rm, stat} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {HoldfastError} from '../../src/lib/core/errors.ts'
import type {Digest} from '../../src/lib/oci/digest.ts'
import {GZIP_LAYER_TYPE, type ImageLayout, openImageLayout, type PlatformImage} from '../oci/image-layout.ts'
import {type Architecture, HOME, openTemporaryFolders, USER_ID, unpackDebian} from './debian.ts'
import {compressArchive, type LayerContent, normalizeModes, writeArchive} from './layer.ts'
import {installHoldfast, installNode} from './npm-packages.ts'

/** Where the image keeps what it remembers; compose and Kubernetes mount a volume there. */
const DATA_DIRECTORY = '/var/lib/holdfast'
const ROOT_ID = 0

export interface ImageRequest {
  /** The folder of package.json; built. */
  readonly checkout: string
  /** The folder of the layout; an earlier layout there is replaced. */
  readonly output: string
  readonly architectures: readonly Architecture[]
  /** A file of apt that names where Debian's packages are. */
  readonly aptSources: string
  /** What the image says of when it was made. */
  readonly created: Date
  /** The commit, where it is known. */
  readonly revision: string | undefined
  readonly onStep: (step: string) => void
}

export interface BuiltImage {
  /** Of the index. */
  readonly digest: Digest
  /** The version of Holdfast. */
  readonly tag: string
}

interface Step extends LayerContent {
  /** As `history` has it. */
  readonly comment: string
}

/** Builds the image. @throws {HoldfastError} */
export async function buildImage(request: ImageRequest): Promise<BuiltImage> {
  const {checkout, output, architectures} = request
  await assertReplaceable(output)
  await mkdir(dirname(output), {recursive: true})
  // Beside the output, so that it can be moved there.
  const work = await mkdtemp(join(dirname(output), '.holdfast-image-'))
  try {
    const {version, description, license} = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8'))
    const annotations = describe(request, {title: 'holdfast', description, licenses: license, version})
    const fresh = join(work, 'layout')
    const digest = await writeImage(fresh, version, annotations, async (layout) => {
      const platforms: PlatformImage[] = []
      for (const architecture of architectures) platforms.push(await buildPlatform(layout, architecture, work, annotations, request))
      return platforms
    })
    await rm(output, {recursive: true, force: true})
    await rename(fresh, output)
    return {digest, tag: version}
  } finally {
    await rm(work, {recursive: true, force: true})
  }
}

async function writeImage(
  directory: string,
  tag: string,
  annotations: Readonly<Record<string, string>>,
  build: (layout: ImageLayout) => Promise<readonly PlatformImage[]>,
): Promise<Digest> {
  await using layout = openImageLayout(directory)
  return await layout.writeIndex(tag, await build(layout), annotations)
}

async function buildPlatform(
  layout: ImageLayout,
  architecture: Architecture,
  work: string,
  labels: Readonly<Record<string, string>>,
  request: ImageRequest,
): Promise<PlatformImage> {
  const created = request.created.toISOString()
  const layers = []
  const diffIds: Digest[] = []
  const history = []
  for await (const {comment, ...content} of prepareSteps(architecture, join(work, architecture), request)) {
    const archive = join(work, `${architecture}-${diffIds.length}.tar`)
    diffIds.push(await writeArchive(content, archive))
    layers.push(await layout.writeBlob(GZIP_LAYER_TYPE, await readFile(await compressArchive(archive))))
    history.push({created, created_by: 'npm run image', comment})
  }
  const config = {
    User: `${USER_ID}:${USER_ID}`,
    Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', `HOME=${HOME}`, `HOLDFAST_DATA_DIR=${DATA_DIRECTORY}`],
    Entrypoint: ['holdfast'],
    Volumes: {[DATA_DIRECTORY]: {}},
    Labels: labels,
  }
  return await layout.writePlatform({architecture, created, config, rootfs: {type: 'layers', diff_ids: diffIds}, history}, layers)
}

/** Prepares the folder of each layer, lowest first. Layers with the same files have the same digest: releases share those that they did not change. */
export async function* prepareSteps(
  architecture: Architecture,
  work: string,
  {checkout, aptSources, onStep}: Pick<ImageRequest, 'checkout' | 'aptSources' | 'onStep'>,
): AsyncGenerator<Step> {
  const step = async (name: string, comment: string, prepare: (root: string) => Promise<void>): Promise<Step> => {
    onStep(`linux/${architecture}: ${comment}`)
    const directory = join(work, name)
    await mkdir(directory, {recursive: true})
    await prepare(directory)
    await normalizeModes(directory)
    return {comment, directory, owner: ROOT_ID}
  }
  const debian = await step('debian', 'packages of Debian', (root) => unpackDebian(architecture, root, join(work, 'apt'), aptSources))
  await openTemporaryFolders(debian.directory)
  yield debian
  const owned = [HOME.slice(1), DATA_DIRECTORY.slice(1)]
  const folders = await step('folders', 'folders of the user', async (root) => {
    for (const folder of owned) await mkdir(join(root, folder), {recursive: true})
  })
  // The folders above them stay those of Debian.
  yield {...folders, paths: owned, owner: USER_ID}
  yield await step('node', 'Node', (root) => installNode(checkout, architecture, root, work))
  yield await step('holdfast', 'Holdfast', (root) => installHoldfast(checkout, architecture, root, work))
}

function describe({created, revision}: ImageRequest, more: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const facts = {...more, created: created.toISOString(), ...(revision === undefined ? {} : {revision})}
  return Object.fromEntries(Object.entries(facts).map(([name, value]) => [`org.opencontainers.image.${name}`, value]))
}

/** @throws {HoldfastError} CONFLICT where something else is at the output. */
async function assertReplaceable(output: string): Promise<void> {
  if (!existsSync(output) || existsSync(join(output, 'oci-layout'))) return
  const isFolder = (await stat(output)).isDirectory()
  if (isFolder && (await readdir(output)).length === 0) return
  const reason = isFolder ? 'the folder is not empty and not an OCI layout' : 'it is a file'
  throw new HoldfastError('CONFLICT', `cannot write the image to "${output}": ${reason}`, {
    hints: [`npm run image -- --output ${join(isFolder ? output : dirname(output), 'image')}`],
  })
}
