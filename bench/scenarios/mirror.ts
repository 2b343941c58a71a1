/** A pull-through mirror, filled and empty, against docker-registry as one and against its upstream itself; CPU and memory are the server's. */
import {mkdir, mkdtemp} from 'node:fs/promises'
import {join} from 'node:path'
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
/** A mirror holds what is on its way from the upstream as well as to its clients. */
const PEAK_MEMORY_BYTES = 2 * MAX_PEAK_MEMORY_BYTES

interface Mirror {
  readonly url: string
  readonly folder: string
  usage: ServerProcess['usage']
  stop(): Promise<void>
}

type StartMirror = (laboratory: Laboratory, upstream: DockerRegistry) => Promise<Mirror>

export async function openMirrorScenario(laboratory: Laboratory, state: 'hit' | 'cold'): Promise<Scenario> {
  const upstreamFolder = join(laboratory.memoryFolder, `mirror-${state}-upstream`)
  await mkdir(upstreamFolder)
  const upstream = await startDockerRegistry({program: laboratory.registryProgram, folder: upstreamFolder, root: laboratory.corpusRoot})
  laboratory.closers.add(upstream.stop)
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
    title: `1.0 GB in 25 blobs through ${state === 'hit' ? 'a mirror that has them' : 'an empty mirror'}, on disk, 3 at a time`,
    rival: state === 'hit' ? STOCK : DIRECT,
    targets: {wallRatio: state === 'hit' ? 1 : 1.1, peakMemoryBytes: PEAK_MEMORY_BYTES},
    runsFactor: 1,
    contestants,
  }
}

/** One mirror for all runs, filled once. */
async function filled(laboratory: Laboratory, upstream: DockerRegistry, name: string, start: StartMirror): Promise<Contestant> {
  const mirror = await start(laboratory, upstream)
  laboratory.closers.add(mirror.stop)
  await sampleOf(laboratory, mirror)
  return {name, sample: () => sampleOf(laboratory, mirror)}
}

/** A new one for each run. */
function empty(laboratory: Laboratory, upstream: DockerRegistry, name: string, start: StartMirror): Contestant {
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
  const before = await server.usage()
  const {wallMs} = await measure(pullBlobs(repositoryUrl, blobs, laboratory.environment), laboratory.memoryFolder)
  const after = await server.usage()
  await checkBlobs(repositoryUrl, blobs)
  return {wallMs, cpuMs: after.cpuMs - before.cpuMs, peakMemoryBytes: after.peakMemoryBytes}
}

async function startOurs(laboratory: Laboratory, upstream: DockerRegistry): Promise<Mirror> {
  const folder = await mkdtemp(join(laboratory.diskFolder, 'mirror-'))
  const environment = {...laboratory.environment, HOLDFAST_DATA_DIR: join(folder, 'data')}
  const port = await freePort()
  const {argv} = holdfastCommand(['mirror', 'serve', '--upstream', upstream.url, '--listen', `127.0.0.1:${port}`], environment)
  const server = await startServer(argv, {port, logFile: join(folder, 'log'), environment})
  return {url: `http://127.0.0.1:${port}`, folder, ...server}
}

async function startStock({diskFolder, registryProgram}: Laboratory, upstream: DockerRegistry): Promise<Mirror> {
  const folder = await mkdtemp(join(diskFolder, 'stock-'))
  const registry = await startDockerRegistry({program: registryProgram, folder, proxy: upstream.url})
  return {url: registry.url, folder, usage: registry.usage, stop: registry.stop}
}
