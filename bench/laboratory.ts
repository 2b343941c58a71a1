/** Where the benchmark works: folders in memory and on disk, the corpus, and the programs that compete. */
import {mkdir, mkdtemp, rm, statfs} from 'node:fs/promises'
import {cpus, tmpdir, totalmem} from 'node:os'
import {join} from 'node:path'
import type {Closers} from './closers.ts'
import {createCorpusWriter, type StoredImage} from './corpus/layout.ts'
import {type ImageShape, uniqueBytes} from './corpus/shapes.ts'
import type {Command} from './measure.ts'
import {findProgram, programVersion} from './programs.ts'
import {OURS} from './scenario.ts'
import {fetchNewerRegistry} from './servers/newer-registry.ts'

/** Below the checkout, so on a real disk, and ignored by git. */
export const OWN_FOLDER = join(import.meta.dirname, '../.tmp/bench')
/** Linux's file system in memory. */
const MEMORY_FOLDER = '/dev/shm'
/** A target holds at most as much as the corpus; the rest is for logs and the tools' own files. */
const SPARE_BYTES = 1_000_000_000
const REGISTRY = 'docker-registry'

/** What the figures were taken on. */
interface Machine {
  readonly cpu: string
  readonly memoryBytes: number
  readonly node: string
  /** Whether source and target were in memory; otherwise the disk decides with. */
  readonly registriesInMemory: boolean
  readonly sourceRegistry: string
  readonly targetRegistry: string
  readonly tools: Readonly<Record<string, string>>
}

export interface Laboratory {
  /** In memory where there is room, so that the disk does not decide. */
  readonly memoryFolder: string
  /** On a real disk, for what must be fsynced. */
  readonly diskFolder: string
  /** What every measured process gets: a PATH and an empty home. `NODE_EXTRA_CA_CERTS` and proxies are left out. */
  readonly environment: Command['environment']
  /** The images of the corpus by repository, below `corpusRoot`. */
  readonly images: ReadonlyMap<string, StoredImage>
  readonly corpusRoot: string
  /** docker-registry of this machine. */
  readonly registryProgram: string
  /** docker-registry 2.8.3 where it can be had, else the same. */
  readonly targetProgram: string
  /** The competing tools that were asked for and found. */
  readonly toolNames: ReadonlySet<string>
  readonly machine: Machine
  readonly closers: Closers
}

export interface LaboratoryOptions {
  readonly images: readonly ImageShape[]
  readonly tools: readonly string[]
}

/** Makes the folders and the corpus and finds the programs; all of it goes away with the closers. */
export async function openLaboratory({images: shapes, tools}: LaboratoryOptions, closers: Closers): Promise<Laboratory> {
  const {memoryFolder, isInMemory} = await createMemoryFolder(2 * uniqueBytes(shapes) + SPARE_BYTES)
  closers.add(() => removeFolder(memoryFolder))
  await mkdir(OWN_FOLDER, {recursive: true})
  const diskFolder = await mkdtemp(join(OWN_FOLDER, 'disk-'))
  closers.add(() => removeFolder(diskFolder))

  const corpusRoot = join(memoryFolder, 'corpus')
  await mkdir(corpusRoot)
  const writeImage = createCorpusWriter(corpusRoot)
  const images = new Map<string, StoredImage>()
  for (const shape of shapes) images.set(shape.repository, await writeImage(shape))

  const registryProgram = (await findProgram(REGISTRY)) ?? REGISTRY
  const newerRegistry = shapes.length === 0 ? undefined : await fetchNewerRegistry(join(OWN_FOLDER, REGISTRY))
  const targetProgram = newerRegistry ?? registryProgram
  const versions = new Map<string, string>()
  for (const name of tools) if (name !== OURS && (await findProgram(name)) !== undefined) versions.set(name, await programVersion(name))
  return {
    memoryFolder,
    diskFolder,
    environment: await createEnvironment(memoryFolder),
    images,
    corpusRoot,
    registryProgram,
    targetProgram,
    toolNames: new Set([...versions.keys(), ...(tools.includes(OURS) ? [OURS] : [])]),
    machine: {
      cpu: `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`,
      memoryBytes: totalmem(),
      node: process.version,
      registriesInMemory: isInMemory,
      sourceRegistry: await programVersion(registryProgram),
      targetRegistry: await programVersion(targetProgram),
      tools: Object.fromEntries(versions),
    },
    closers,
  }
}

/** Removes a folder with all it holds; nothing happens when it is gone already. */
export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, {recursive: true, force: true})
}

async function createMemoryFolder(bytes: number): Promise<{readonly memoryFolder: string; readonly isInMemory: boolean}> {
  const free = await statfs(MEMORY_FOLDER).then(
    ({bavail, bsize}) => bavail * bsize,
    () => 0,
  )
  const isInMemory = free > bytes
  return {memoryFolder: await mkdtemp(join(isInMemory ? MEMORY_FOLDER : tmpdir(), 'holdfast-bench-')), isInMemory}
}

async function createEnvironment(folder: string): Promise<Command['environment']> {
  const HOME = join(folder, 'home')
  const TMPDIR = join(folder, 'tmp')
  for (const path of [HOME, TMPDIR]) await mkdir(path)
  return {PATH: process.env.PATH ?? '', HOME, TMPDIR}
}
