/** One image from one registry to another that is empty: small, medium, large, several platforms, and large over TLS. */
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {TAG} from '../corpus/layout.ts'
import {createHoldfast} from '../holdfast.ts'
import type {Laboratory} from '../laboratory.ts'
import {type Contestant, MAX_PEAK_MEMORY_BYTES, OURS, type Scenario, type ScenarioName, type Targets} from '../scenario.ts'
import {createCertificates} from '../servers/certificates.ts'
import {type CopyTool, OPTIONAL_TOOLS, type Route, skopeo} from '../tools.ts'
import {openRoute, sampleCopy} from './route.ts'

interface CopyScenario {
  readonly name: ScenarioName
  readonly title: string
  /** The image of the corpus. */
  readonly repository: string
  readonly tls: boolean
  readonly targets: Targets
  readonly runsFactor: number
}

export async function openCopyScenario(laboratory: Laboratory, scenario: CopyScenario): Promise<Scenario> {
  const {name, title, repository, targets, runsFactor} = scenario
  const stored = laboratory.images.get(repository)
  if (stored === undefined) throw new Error(`cannot copy "${repository}": the corpus has no such image`)
  const certificateFolder = join(laboratory.memoryFolder, `${name}-certificates`)
  await mkdir(certificateFolder)
  const route = await openRoute(laboratory, name, scenario.tls ? await createCertificates(certificateFolder) : undefined)
  const image = `${repository}:${TAG}`
  const others = [skopeo, ...OPTIONAL_TOOLS].filter((tool) => laboratory.toolNames.has(tool.name))
  const contestants = others.map((tool) => stranger(laboratory, route, tool, image, stored.digest))
  if (laboratory.toolNames.has(OURS)) contestants.unshift(await ourselves(laboratory, route, image, stored.digest))
  return {
    name,
    title,
    rival: skopeo.name,
    targets: {...targets, peakMemoryBytes: MAX_PEAK_MEMORY_BYTES},
    runsFactor,
    contestants,
  }
}

function stranger(laboratory: Laboratory, route: Route, tool: CopyTool, image: string, digest: string): Contestant {
  return {
    name: tool.name,
    async sample() {
      await route.target.empty()
      return sampleCopy(laboratory, route, tool.copy(route, image, laboratory.environment), [digest])
    },
  }
}

async function ourselves(laboratory: Laboratory, route: Route, image: string, digest: string): Promise<Contestant> {
  const holdfast = await createHoldfast(route, laboratory.memoryFolder, laboratory.environment)
  return {
    name: OURS,
    async sample() {
      await route.target.empty()
      await holdfast.forget()
      return sampleCopy(laboratory, route, holdfast.copy(image), [digest])
    },
  }
}
