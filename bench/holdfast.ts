/** Holdfast as a user has it: built, run from `bin/run.js`, with both registries declared beforehand. */
import {cp, mkdir, mkdtemp, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {type Command, measure} from './measure.ts'
import type {Route} from './tools.ts'

const LAUNCHER = join(import.meta.dirname, '../bin/run.js')
const SOURCE_NAME = 'bench-source'
const TARGET_NAME = 'bench-target'

/** A command of Holdfast as it is started from a shell. */
export function holdfastCommand(args: readonly string[], environment: Command['environment']): Command {
  return {argv: [process.execPath, LAUNCHER, ...args], environment}
}

/** Holdfast with a memory of its own that knows one route. */
export interface Holdfast {
  /** Puts its memory back to where only the registries are declared. */
  forget(): Promise<void>
  /** Copies an image to the same name at the target. */
  copy(image: string): Command
  /** Caches images under names of its own making. */
  cacheImages(images: readonly string[]): Command
}

/**
 * Declares both registries, which is when Holdfast learns that the target refuses a wrong digest.
 * @param folder where its memory goes.
 */
export async function createHoldfast(route: Route, folder: string, environment: Command['environment']): Promise<Holdfast> {
  const home = await mkdtemp(join(folder, 'holdfast-'))
  const declaredFolder = join(home, 'declared')
  const dataFolder = join(home, 'data')
  await mkdir(declaredFolder)
  const run = (args: readonly string[], dataDirectory: string): Command =>
    holdfastCommand(args, {...environment, HOLDFAST_DATA_DIR: dataDirectory})
  const trust = route.certificates === undefined ? ['--plain-http'] : ['--ca-file', route.certificates.caFile]
  await measure(run(['registry', 'add', SOURCE_NAME, route.source.url, ...trust], declaredFolder), home)
  await measure(run(['registry', 'add', TARGET_NAME, route.target.url, ...trust], declaredFolder), home)
  return {
    async forget() {
      await rm(dataFolder, {recursive: true, force: true})
      await cp(declaredFolder, dataFolder, {recursive: true})
    },
    copy: (image) => run(['copy', `${route.source.host}/${image}`, `${route.target.host}/${image}`], dataFolder),
    cacheImages: (images) =>
      run(['cache-image', ...images.map((image) => `${route.source.host}/${image}`), '--to', TARGET_NAME], dataFolder),
  }
}
