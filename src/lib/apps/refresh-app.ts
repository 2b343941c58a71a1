/** Whether the source of an app's cached copy has moved on, and what taking the new one would bring. */
import {inspectImage} from '../caching/inspect-image.ts'
import type {SourceStore} from '../content/store.ts'
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import {parseReference, type Reference} from '../oci/reference.ts'
import type {Platform} from './platform.ts'
import {type RunningDependencies, readRunning, unknownSource} from './running.ts'

export interface Refresh {
  readonly app: string
  readonly source: string
  readonly oldDigest: string
  readonly newDigest: string
  readonly hasMoved: boolean
  /** Layers of the new image that the old one has not, and those of the old one that go. */
  readonly newLayers: number
  readonly goneLayers: number
  /** Of the new layers, as they are stored. */
  readonly newBytes: number
  readonly oldSizeBytes: number
  readonly newSizeBytes: number
}

export interface RefreshDependencies {
  readonly platform: Platform
  readonly findCopy: RunningDependencies['findCopy']
  readonly openSource: (reference: Reference) => Promise<SourceStore>
  readonly signal?: AbortSignal | undefined
}

/**
 * Compares what an app runs with what its source names now; changes nothing.
 * @throws {HoldfastError} OBJECT_NOT_FOUND for an app that runs nothing from the cache; what reading either image throws.
 */
export async function compareWithSource(name: string, {platform, findCopy, openSource, signal}: RefreshDependencies): Promise<Refresh> {
  const app = await platform.findApp(name)
  const running = await readRunning(app, {platform, findCopy})
  if (running.kind === 'orphan') throw unknownSource('refresh', app, running.image)
  if (running.kind !== 'copy') {
    throw new HoldfastError('OBJECT_NOT_FOUND', `cannot refresh app "${name}": it runs nothing from the cache`, {
      hints: [
        shellCommand`holdfast app show ${name}`,
        shellCommand`holdfast set-env ${name} DIEGO_DOCKER_CACHE true`,
        shellCommand`holdfast stage ${name}`,
      ],
    })
  }
  const {staged} = running
  const source = parseReference(staged.source)
  const cached = parseReference(staged.cached)
  const call = signal === undefined ? {} : {signal}
  const now = await inspectImage(source, await openSource(source), call)
  const hasMoved = now.digest !== staged.sourceDigest
  const before = hasMoved ? await inspectImage(cached, await openSource(cached), call) : now
  const [oldLayers, newLayers] = [layersOf(before), layersOf(now)]
  const added = [...newLayers].filter(([digest]) => !oldLayers.has(digest))
  return {
    app: name,
    source: staged.source,
    oldDigest: staged.sourceDigest,
    newDigest: now.digest,
    hasMoved,
    newLayers: added.length,
    goneLayers: [...oldLayers.keys()].filter((digest) => !newLayers.has(digest)).length,
    newBytes: added.reduce((sum, [, sizeBytes]) => sum + sizeBytes, 0),
    oldSizeBytes: before.sizeBytes,
    newSizeBytes: now.sizeBytes,
  }
}

/** Digest to size, each once over all platforms. */
function layersOf({manifests}: Awaited<ReturnType<typeof inspectImage>>): ReadonlyMap<string, number> {
  return new Map(manifests.flatMap(({layers}) => layers.map(({digest, sizeBytes}) => [digest, sizeBytes] as const)))
}
