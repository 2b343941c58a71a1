/** The embedded registry against docker-registry, both on a real disk with fsync; CPU and memory are the server's. */
import {mkdir, mkdtemp} from 'node:fs/promises'
import {join} from 'node:path'
import {freePort} from '../../test/support/free-port.ts'
import {blobFile} from '../corpus/layout.ts'
import {LARGE} from '../corpus/shapes.ts'
import {holdfastCommand} from '../holdfast.ts'
import {type Laboratory, removeFolder} from '../laboratory.ts'
import {measure} from '../measure.ts'
import {type Contestant, OURS, type Sample, type Scenario} from '../scenario.ts'
import {checkBlobs, preparePush, pullBlobs} from '../servers/blob-client.ts'
import {startDockerRegistry} from '../servers/docker-registry.ts'
import {type ServerProcess, startServer} from '../servers/server-process.ts'

const RIVAL = 'docker-registry'
const PULL_WALL_RATIO = 0.9
const PUSH_WALL_RATIO = 1

/** A server over an empty folder. */
interface EmptyServer {
  readonly url: string
  readonly folder: string
  usage: ServerProcess['usage']
  stop(): Promise<void>
}

type StartEmptyServer = (laboratory: Laboratory) => Promise<EmptyServer>

export async function openEmbeddedScenario(laboratory: Laboratory, direction: 'pull' | 'push'): Promise<Scenario> {
  const servers: readonly [string, StartEmptyServer][] = [
    [OURS, startEmbedded],
    [RIVAL, startRival],
  ]
  const contestants: Contestant[] = []
  for (const [name, start] of servers) {
    if (name === OURS && !laboratory.toolNames.has(OURS)) continue
    contestants.push(direction === 'pull' ? await puller(laboratory, name, start) : pusher(laboratory, name, start))
  }
  return {
    name: direction === 'pull' ? 'embedded-pull' : 'embedded-push',
    title: `1.0 GB in 25 blobs ${direction === 'pull' ? 'from' : 'to'} holdfast serve and docker-registry, on disk, 3 at a time`,
    rival: RIVAL,
    targets: {wallRatio: direction === 'pull' ? PULL_WALL_RATIO : PUSH_WALL_RATIO},
    runsFactor: 1,
    contestants,
  }
}

/** One server for all runs, filled once. */
async function puller(laboratory: Laboratory, name: string, start: StartEmptyServer): Promise<Contestant> {
  const server = await start(laboratory)
  laboratory.closers.add(server.stop)
  await push(laboratory, server)
  return {
    name,
    sample: () =>
      usageDuring(server, () =>
        measure(pullBlobs(repositoryUrl(server), largeBlobs(laboratory), laboratory.environment), laboratory.memoryFolder),
      ),
  }
}

/** A new server over an empty folder for each run. */
function pusher(laboratory: Laboratory, name: string, start: StartEmptyServer): Contestant {
  return {
    name,
    async sample() {
      const server = await start(laboratory)
      try {
        return await push(laboratory, server)
      } finally {
        await server.stop()
        await removeFolder(server.folder)
      }
    },
  }
}

async function push(laboratory: Laboratory, server: EmptyServer): Promise<Sample> {
  const blobs = largeBlobs(laboratory)
  const fileOf = (digest: string): string => blobFile(laboratory.corpusRoot, digest)
  const command = await preparePush(repositoryUrl(server), blobs, fileOf, laboratory.environment)
  const sample = await usageDuring(server, () => measure(command, laboratory.memoryFolder))
  await checkBlobs(repositoryUrl(server), blobs)
  return sample
}

async function usageDuring(server: EmptyServer, run: () => Promise<{readonly wallMs: number}>): Promise<Sample> {
  const before = await server.usage()
  const {wallMs} = await run()
  const after = await server.usage()
  return {wallMs, cpuMs: after.cpuMs - before.cpuMs, peakMemoryBytes: after.peakMemoryBytes}
}

async function startEmbedded(laboratory: Laboratory): Promise<EmptyServer> {
  const folder = await mkdtemp(join(laboratory.diskFolder, 'embedded-'))
  const environment = {...laboratory.environment, HOLDFAST_DATA_DIR: join(folder, 'data')}
  const port = await freePort()
  const {argv} = holdfastCommand(['serve', '--listen', `127.0.0.1:${port}`], environment)
  const server = await startServer(argv, {port, logFile: join(folder, 'log'), environment})
  return {url: `http://127.0.0.1:${port}`, folder, ...server}
}

async function startRival({diskFolder, registryProgram}: Laboratory): Promise<EmptyServer> {
  const folder = await mkdtemp(join(diskFolder, 'rival-'))
  await mkdir(join(folder, 'data'))
  const registry = await startDockerRegistry({program: registryProgram, folder})
  return {url: registry.url, folder, usage: registry.usage, stop: registry.stop}
}

function largeBlobs({images}: Laboratory) {
  return images.get(LARGE.repository)?.blobs ?? []
}

function repositoryUrl({url}: EmptyServer): string {
  return `${url}/v2/${LARGE.repository}`
}
