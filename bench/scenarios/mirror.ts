/**
 * A pull-through mirror, filled and empty, against docker-registry as one and against its upstream itself; CPU and memory are the server's. An upstream is behind a network: for
 * the empty one a relay stands before it, with the speed of a gigabit.
 */
import {execFile} from 'node:child_process'
import {mkdir, mkdtemp} from 'node:fs/promises'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'
import {freePort} from '../../test/support/free-port.ts'
import {LARGE} from '../corpus/shapes.ts'
import {holdfastCommand} from '../holdfast.ts'
import {type Laboratory, removeFolder} from '../laboratory.ts'
import {measure} from '../measure.ts'
import {type Contestant, MAX_PEAK_MEMORY_BYTES, OURS, type Sample, type Scenario} from '../scenario.ts'
import {checkBlobs, pullBlobs} from '../servers/blob-client.ts'
import {type DockerRegistry, startDockerRegistry} from '../servers/docker-registry.ts'
import {type ServerProcess, startServer} from '../servers/server-process.ts'

const STOCK = 'docker-registry'
const DIRECT = 'direct'
const BYTES_PER_SECOND = 125_000_000
/** A mirror holds what is on its way from the upstream as well as to its clients. */
const PEAK_MEMORY_BYTES = 2 * MAX_PEAK_MEMORY_BYTES

interface Mirror {
  readonly url: string
  readonly folder: string
  usage: ServerProcess['usage']
  stop(): Promise<void>
}

type Upstream = Pick<Mirror, 'url' | 'usage'>
type StartMirror = (laboratory: Laboratory, upstream: Upstream) => Promise<Mirror>

export async function openMirrorScenario(laboratory: Laboratory, state: 'hit' | 'cold'): Promise<Scenario> {
  const upstreamFolder = join(laboratory.memoryFolder, `mirror-${state}-upstream`)
  await mkdir(upstreamFolder)
  const registry = await startDockerRegistry({program: laboratory.registryProgram, folder: upstreamFolder, root: laboratory.corpusRoot})
  laboratory.closers.add(registry.stop)
  const upstream = state === 'hit' ? registry : await slowDown(laboratory, registry)
  const mirrors: readonly (readonly [string, StartMirror])[] = [
    [OURS, startOurs],
    [STOCK, startStock],
  ]
  const contestants: Contestant[] = []
  for (const [name, start] of mirrors) {
    if (name === OURS && !laboratory.toolNames.has(OURS)) continue
    contestants.push(state === 'hit' ? await filled(laboratory, upstream, name, start) : empty(laboratory, upstream, name, start))
  }
  if (state === 'cold') contestants.push({name: DIRECT, sample: () => sampleOf(laboratory, upstream)})
  return {
    name: state === 'hit' ? 'mirror-hit' : 'mirror-cold',
    title: `1.0 GB in 25 blobs through ${state === 'hit' ? 'a mirror that has them' : 'an empty mirror, its upstream at 1 Gbit/s'}, on disk, 3 at a time`,
    rival: state === 'hit' ? STOCK : DIRECT,
    targets: {wallRatio: state === 'hit' ? 1 : 1.1, peakMemoryBytes: PEAK_MEMORY_BYTES},
    runsFactor: 1,
    contestants,
  }
}

/** One mirror for all runs, filled once. */
async function filled(laboratory: Laboratory, upstream: Upstream, name: string, start: StartMirror): Promise<Contestant> {
  const mirror = await start(laboratory, upstream)
  laboratory.closers.add(mirror.stop)
  await sampleOf(laboratory, mirror)
  return {name, sample: () => sampleOf(laboratory, mirror)}
}

/** A new one for each run. */
function empty(laboratory: Laboratory, upstream: Upstream, name: string, start: StartMirror): Contestant {
  return {
    name,
    async sample() {
      const mirror = await start(laboratory, upstream)
      try {
        return await sampleOf(laboratory, mirror)
      } finally {
        await mirror.stop()
        await removeFolder(mirror.folder)
      }
    },
  }
}

async function sampleOf(laboratory: Laboratory, server: Pick<Mirror, 'url' | 'usage'>): Promise<Sample> {
  const blobs = laboratory.images.get(LARGE.repository)?.blobs ?? []
  const repositoryUrl = `${server.url}/v2/${LARGE.repository}`
  // What another has left to be written to the disk is no part of this run.
  await promisify(execFile)('sync')
  const before = await server.usage()
  const {wallMs} = await measure(pullBlobs(repositoryUrl, blobs, laboratory.environment), laboratory.memoryFolder)
  const after = await server.usage()
  await checkBlobs(repositoryUrl, blobs)
  return {wallMs, cpuMs: after.cpuMs - before.cpuMs, peakMemoryBytes: after.peakMemoryBytes}
}

async function startOurs(laboratory: Laboratory, upstream: Upstream): Promise<Mirror> {
  const folder = await mkdtemp(join(laboratory.diskFolder, 'mirror-'))
  const environment = {...laboratory.environment, HOLDFAST_DATA_DIR: join(folder, 'data')}
  const port = await freePort()
  const {argv} = holdfastCommand(['mirror', 'serve', '--upstream', upstream.url, '--listen', `127.0.0.1:${port}`], environment)
  const server = await startServer(argv, {port, logFile: join(folder, 'log'), environment})
  return {url: `http://127.0.0.1:${port}`, folder, ...server}
}

async function startStock({diskFolder, registryProgram}: Laboratory, upstream: Upstream): Promise<Mirror> {
  const folder = await mkdtemp(join(diskFolder, 'stock-'))
  const registry = await startDockerRegistry({program: registryProgram, folder, proxy: upstream.url})
  return {url: registry.url, folder, usage: registry.usage, stop: registry.stop}
}

/** The same registry, as far away as a gigabit makes it. */
async function slowDown({memoryFolder, closers, environment}: Laboratory, registry: DockerRegistry): Promise<Upstream> {
  const port = await freePort()
  const program = fileURLToPath(new URL('../servers/slow-relay.ts', import.meta.url))
  const relay = await startServer([process.execPath, program, String(port), registry.host, String(BYTES_PER_SECOND)], {
    port,
    logFile: join(memoryFolder, 'mirror-network.log'),
    environment: environment ?? {},
  })
  closers.add(relay.stop)
  return {url: `http://127.0.0.1:${port}`, usage: registry.usage}
}
