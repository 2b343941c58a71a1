/** Forty images that share layers, with one process: into an empty registry, and again when nothing has changed. */
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {TAG} from '../corpus/layout.ts'
import {FLEET} from '../corpus/shapes.ts'
import {createHoldfast} from '../holdfast.ts'
import type {Laboratory} from '../laboratory.ts'
import {type Contestant, MAX_PEAK_MEMORY_BYTES, OURS, type Scenario} from '../scenario.ts'
import {skopeo, skopeoSync, skopeoSyncList} from '../tools.ts'
import {openRoute, sampleCopy} from './route.ts'

/** Fleet, cold and warm, against `skopeo sync`. */
const COLD_WALL_RATIO = 0.45
const WARM_WALL_RATIO = 0.5

export async function openFleetScenario(laboratory: Laboratory, temperature: 'cold' | 'warm'): Promise<Scenario> {
  const name = temperature === 'cold' ? 'fleet-cold' : 'fleet-warm'
  const repositories = FLEET.map(({repository}) => repository)
  const digests = repositories.map((repository) => laboratory.images.get(repository)?.digest ?? `(no image ${repository})`)
  const route = await openRoute(laboratory, name)
  const listFile = join(laboratory.memoryFolder, `${name}-images.yaml`)
  await writeFile(listFile, skopeoSyncList(route, repositories, TAG))

  const contestants: Contestant[] = []
  if (laboratory.toolNames.has(OURS)) {
    const holdfast = await createHoldfast(route, laboratory.memoryFolder, laboratory.environment)
    await holdfast.forget()
    contestants.push({
      name: OURS,
      async sample() {
        if (temperature === 'cold') {
          await route.target.empty()
          await holdfast.forget()
        }
        return sampleCopy(laboratory, route, holdfast.cacheImages(repositories.map((repository) => `${repository}:${TAG}`)), digests)
      },
    })
  }
  if (laboratory.toolNames.has(skopeo.name)) {
    contestants.push({
      name: skopeo.name,
      async sample() {
        if (temperature === 'cold') await route.target.empty()
        return sampleCopy(laboratory, route, skopeoSync(route, listFile, laboratory.environment), digests)
      },
    })
  }
  return {
    name,
    title: `40 images, 2.92 GB named and 0.745 GB unique, ${temperature === 'cold' ? 'into an empty registry' : 'when nothing has changed'}`,
    rival: skopeo.name,
    targets: {wallRatio: temperature === 'cold' ? COLD_WALL_RATIO : WARM_WALL_RATIO, peakMemoryBytes: MAX_PEAK_MEMORY_BYTES},
    runsFactor: temperature === 'cold' ? 1 : 2,
    contestants,
  }
}
