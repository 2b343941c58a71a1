/** From samples to figures: medians, minima, ratios, and whether the targets are met. */
import type {Result} from './rounds.ts'
import {OURS, type Sample, type Scenario} from './scenario.ts'
import {median, medianRatio} from './statistics.ts'

interface Figure {
  readonly median: number
  readonly minimum: number
}

/** One contestant in one scenario; ratios are to the rival and absent for the rival itself. */
export interface ContestantSummary {
  readonly name: string
  readonly wallMs: Figure
  readonly cpuMs: Figure
  /** The largest of all rounds. */
  readonly peakMemoryBytes: number
  readonly wallRatio?: number
  readonly cpuRatio?: number
  /** Medians. */
  readonly traffic?: {
    readonly sourceRequests: number
    readonly targetRequests: number
    readonly bytesPulled: number
    readonly uploads: number
  }
}

export interface TargetSummary {
  readonly metric: 'wall' | 'cpu' | 'peak memory'
  /** A ratio, or bytes. */
  readonly value: number
  readonly atMost: number
  readonly isMet: boolean
}

export interface ScenarioSummary {
  readonly name: string
  readonly title: string
  readonly rival: string
  readonly rounds: number
  readonly contestants: readonly ContestantSummary[]
  readonly targets: readonly TargetSummary[]
}

export function summarise(scenario: Scenario, results: readonly Result[]): ScenarioSummary {
  const rival = results.find(({contestant}) => contestant === scenario.rival)
  const contestants = results.map((result) => summariseContestant(result, result === rival ? undefined : rival))
  const ours = contestants.find(({name}) => name === OURS)
  const {name, title} = scenario
  const rounds = results[0]?.samples.length ?? 0
  return {name, title, rival: scenario.rival, rounds, contestants, targets: ours === undefined ? [] : compare(scenario, ours)}
}

function summariseContestant({contestant, samples}: Result, rival: Result | undefined): ContestantSummary {
  const values = (of: (sample: Sample) => number, from: readonly Sample[] = samples): readonly number[] => from.map(of)
  const figure = (of: (sample: Sample) => number): Figure => ({median: median(values(of)), minimum: Math.min(...values(of))})
  const ratio = (of: (sample: Sample) => number, to: Result): number => medianRatio(values(of), values(of, to.samples))
  const wall = (sample: Sample): number => sample.wallMs
  const cpu = (sample: Sample): number => sample.cpuMs
  const traffics = samples.flatMap(({traffic}) => (traffic === undefined ? [] : [traffic]))
  return {
    name: contestant,
    wallMs: figure(wall),
    cpuMs: figure(cpu),
    peakMemoryBytes: Math.max(...samples.map(({peakMemoryBytes}) => peakMemoryBytes)),
    ...(rival === undefined ? {} : {wallRatio: ratio(wall, rival), cpuRatio: ratio(cpu, rival)}),
    ...(traffics.length === 0
      ? {}
      : {
          traffic: {
            sourceRequests: median(traffics.map(({source}) => source.requests)),
            targetRequests: median(traffics.map(({target}) => target.requests)),
            bytesPulled: median(traffics.map(({source}) => source.bytesSent)),
            uploads: median(traffics.map(({target}) => target.uploads)),
          },
        }),
  }
}

function compare({targets}: Scenario, ours: ContestantSummary): readonly TargetSummary[] {
  const summaries: TargetSummary[] = []
  const add = (metric: TargetSummary['metric'], value: number | undefined, atMost: number | undefined): void => {
    if (value !== undefined && atMost !== undefined) summaries.push({metric, value, atMost, isMet: value <= atMost})
  }
  add('wall', ours.wallRatio, targets.wallRatio)
  add('cpu', ours.cpuRatio, targets.cpuRatio)
  add('peak memory', ours.peakMemoryBytes, targets.peakMemoryBytes)
  return summaries
}
