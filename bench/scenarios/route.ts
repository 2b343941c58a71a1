/** A source registry over the corpus and an empty target, as the copying scenarios need them. */
import {glob, mkdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Laboratory} from '../laboratory.ts'
import {type Command, measure} from '../measure.ts'
import type {Sample} from '../scenario.ts'
import type {Certificates} from '../servers/certificates.ts'
import {startDockerRegistry} from '../servers/docker-registry.ts'
import type {Route} from '../tools.ts'

/** Starts both registries; they stop when the laboratory closes. */
export async function openRoute(laboratory: Laboratory, name: string, certificates?: Certificates): Promise<Route> {
  const tls = certificates === undefined ? {} : {certificates}
  const folder = async (side: string): Promise<string> => {
    const path = join(laboratory.memoryFolder, `${name}-${side}`)
    await mkdir(path)
    return path
  }
  const source = await startDockerRegistry({
    program: laboratory.registryProgram,
    folder: await folder('source'),
    root: laboratory.corpusRoot,
    ...tls,
  })
  laboratory.closers.add(source.stop)
  const target = await startDockerRegistry({program: laboratory.targetProgram, folder: await folder('target'), ...tls})
  laboratory.closers.add(target.stop)
  return {source, target, ...tls}
}

/**
 * Runs a command on a route and reads what both registries saw of it.
 * @throws {Error} when the target does not then have a tag for each of the digests.
 */
export async function sampleCopy(laboratory: Laboratory, route: Route, command: Command, digests: readonly string[]): Promise<Sample> {
  await route.source.takeTraffic()
  await route.target.takeTraffic()
  const usage = await measure(command, laboratory.memoryFolder)
  const traffic = {source: await route.source.takeTraffic(), target: await route.target.takeTraffic()}
  const tagged = await taggedDigests(route.target.root)
  const missing = digests.filter((digest) => !tagged.has(digest))
  if (missing.length > 0) {
    throw new Error(`cannot count the run of "${command.argv.slice(0, 3).join(' ')} …": the target has no tag for ${missing.join(', ')}`)
  }
  return {...usage, traffic}
}

async function taggedDigests(root: string): Promise<ReadonlySet<string>> {
  const digests = new Set<string>()
  for await (const link of glob('docker/registry/v2/repositories/**/_manifests/tags/*/current/link', {cwd: root})) {
    digests.add((await readFile(join(root, link), 'utf8')).trim())
  }
  return digests
}
