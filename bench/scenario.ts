/** What a scenario is: contestants that do the same work, and what is required of Holdfast against its rival. */
import type {ProcessUsage} from './measure.ts'
import type {Traffic} from './servers/docker-registry.ts'

/** One measured run. */
export interface Sample extends ProcessUsage {
  /** Absent where no registry of CNCF Distribution is on both ends. */
  readonly traffic?: {readonly source: Traffic; readonly target: Traffic}
}

export interface Contestant {
  readonly name: string
  /** Prepares the ground, runs once, checks that the work was done, and answers what the run took. */
  sample(): Promise<Sample>
}

/** Upper bounds; ratios are Holdfast's figure by the rival's of the same round. */
export interface Targets {
  readonly wallRatio?: number
  readonly cpuRatio?: number
  readonly peakMemoryBytes?: number
}

export interface Scenario {
  readonly name: ScenarioName
  readonly title: string
  /** The contestant that Holdfast is held against. */
  readonly rival: string
  readonly targets: Targets
  /** Short work is run more often than `--runs` says. */
  readonly runsFactor: number
  readonly contestants: readonly Contestant[]
}

/** The contestant whose ratios the targets are for. */
export const OURS = 'holdfast'

export const SCENARIO_NAMES = [
  'start-up',
  'credential-helper',
  'small',
  'medium',
  'multi',
  'large',
  'tls',
  'fleet-cold',
  'fleet-warm',
  'embedded-pull',
  'embedded-push',
  'mirror-hit',
  'mirror-cold',
  'mirror-crowd',
] as const

export type ScenarioName = (typeof SCENARIO_NAMES)[number]

/** Whatever the size of the images. */
export const MAX_PEAK_MEMORY_BYTES = 100_000_000
