/**
 * A pull-through mirror, filled and empty, against docker-registry as one and against its upstream itself; CPU and memory are the server's. An upstream is behind a network: for
 * the empty one a relay stands before it, with the speed of a gigabit.
 */
import {execFile} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, mkdtemp} from 'node:fs/promises'
import {connect, type Socket} from 'node:net'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {promisify} from 'node:util'
import {freePort} from '../../test/support/free-port.ts'
import type {StoredBlob} from '../corpus/layer.ts'
import {LARGE, MEDIUM} from '../corpus/shapes.ts'
import {holdfastCommand} from '../holdfast.ts'
import {type Laboratory, removeFolder} from '../laboratory.ts'
import {measure} from '../measure.ts'
import {type Contestant, MAX_PEAK_MEMORY_BYTES, OURS, type Sample, type Scenario} from '../scenario.ts'
import {checkBlobs, pullBlobs} from '../servers/blob-client.ts'
import {type DockerRegistry, startDockerRegistry} from '../servers/docker-registry.ts'
import {type ServerProcess, startServer} from '../servers/server-process.ts'

const STOCK = 'docker-registry'
const DIRECT = 'direct'
const WITHOUT_SLOW = 'without slow ones'
const CROWD = 98
const SLOW_BYTES_PER_SECOND = 50_000
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
    targets: {wallRatio: state === 'hit' ? 0.85 : 1.05, peakMemoryBytes: PEAK_MEMORY_BYTES},
    runsFactor: 1,
    contestants,
  }
}

/**
 * Many clients at once ask an empty mirror for one blob, while one more stalls and another one takes 50 kB/s; against the same without these two. CPU and memory are the
 * server's.
 */
export async function openMirrorCrowdScenario(laboratory: Laboratory): Promise<Scenario> {
  const upstreamFolder = join(laboratory.memoryFolder, 'mirror-crowd-upstream')
  await mkdir(upstreamFolder)
  const registry = await startDockerRegistry({program: laboratory.registryProgram, folder: upstreamFolder, root: laboratory.corpusRoot})
  laboratory.closers.add(registry.stop)
  const upstream = await slowDown(laboratory, registry)
  const crowd = (name: string, start: StartMirror, hasSlowClients: boolean): Contestant => ({
    name,
    async sample() {
      const mirror = await start(laboratory, upstream)
      const slow = hasSlowClients ? await slowClients(laboratory, mirror) : undefined
      try {
        return await crowdOf(laboratory, mirror)
      } finally {
        slow?.leave()
        await mirror.stop()
        await removeFolder(mirror.folder)
      }
    },
  })
  return {
    name: 'mirror-crowd',
    title: `one blob to ${CROWD} clients of an empty mirror, its upstream at 1 Gbit/s, while one more client stalls and one takes 50 kB/s`,
    rival: WITHOUT_SLOW,
    targets: {wallRatio: 1.3, peakMemoryBytes: PEAK_MEMORY_BYTES},
    runsFactor: 1,
    contestants: [
      ...(laboratory.toolNames.has(OURS) ? [crowd(OURS, startOurs, true), crowd(WITHOUT_SLOW, startOurs, false)] : []),
      crowd(STOCK, startStock, true),
    ],
  }
}

async function crowdOf(laboratory: Laboratory, server: Pick<Mirror, 'url' | 'usage'>): Promise<Sample> {
  const blob = largestBlob(laboratory)
  const repositoryUrl = `${server.url}/v2/${MEDIUM.repository}`
  const before = await server.usage()
  const pulls = pullBlobs(repositoryUrl, Array<typeof blob>(CROWD).fill(blob), laboratory.environment, CROWD)
  const {wallMs} = await measure(pulls, laboratory.memoryFolder)
  const after = await server.usage()
  await checkBlobs(repositoryUrl, [blob])
  return {wallMs, cpuMs: after.cpuMs - before.cpuMs, peakMemoryBytes: after.peakMemoryBytes}
}

/** One that reads nothing, and one that reads little; both have asked when this settles. */
async function slowClients(laboratory: Laboratory, {url}: Pick<Mirror, 'url'>): Promise<{leave(): void}> {
  const {hostname, port} = new URL(url)
  const ask = async (): Promise<Socket> => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    await once(socket, 'connect')
    const path = `/v2/${MEDIUM.repository}/blobs/${largestBlob(laboratory).digest}`
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`)
    await once(socket, 'readable')
    return socket
  }
  const [stalled, slow] = [await ask(), await ask()]
  const timer = setInterval(() => slow.read(Math.min(slow.readableLength, SLOW_BYTES_PER_SECOND)), 1_000)
  return {
    leave() {
      clearInterval(timer)
      stalled.destroy()
      slow.destroy()
    },
  }
}

function largestBlob(laboratory: Laboratory): StoredBlob {
  const [largest] = (laboratory.images.get(MEDIUM.repository)?.blobs ?? []).toSorted((a, b) => b.sizeBytes - a.sizeBytes)
  if (largest === undefined) throw new Error('the image is not in the corpus')
  return largest
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
