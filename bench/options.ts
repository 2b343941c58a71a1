/** What the benchmark can be asked. */
import {parseArgs} from 'node:util'
import {OURS, SCENARIO_NAMES, type ScenarioName} from './scenario.ts'

const DEFAULT_RUNS = 5
const TOOLS = [OURS, 'skopeo', 'crane', 'regctl']

export interface BenchOptions {
  readonly scenarios: readonly ScenarioName[]
  readonly runs: number
  /** Factor on the size of layers; figures with another than 1 mean nothing. */
  readonly scale: number
  readonly tools: readonly string[]
  /** Where the figures go as JSON; a file of its own for each run when absent. */
  readonly outputFile: string | undefined
}

export const USAGE = `npm run bench -- [options]
  --scenario NAME,…  which of ${SCENARIO_NAMES.join(', ')} (all)
  --runs N           measured rounds, after one that is not (${DEFAULT_RUNS}; short scenarios take a multiple)
  --tools NAME,…     which of ${TOOLS.join(', ')} (all that are found)
  --output FILE      the figures as JSON (a new file below .tmp/bench)
  --scale FACTOR     smaller layers, to try the benchmark itself (1)
`

/** @throws {Error} when an option is unknown or its value is none. */
export function parseOptions(args: readonly string[]): BenchOptions | 'help' {
  const {values} = parseArgs({
    args: [...args],
    options: {
      scenario: {type: 'string', default: SCENARIO_NAMES.join(',')},
      runs: {type: 'string', default: String(DEFAULT_RUNS)},
      tools: {type: 'string', default: TOOLS.join(',')},
      output: {type: 'string'},
      scale: {type: 'string', default: '1'},
      help: {type: 'boolean', short: 'h', default: false},
    },
  })
  if (values.help) return 'help'
  const runs = Number(values.runs)
  const scale = Number(values.scale)
  if (!Number.isSafeInteger(runs) || runs < 1) throw new Error(`cannot run "${values.runs}" rounds: give a whole number from 1`)
  if (!(scale > 0 && scale <= 1)) throw new Error(`cannot scale by "${values.scale}": give a number above 0, up to 1`)
  const wanted = values.scenario.split(',')
  return {
    scenarios: SCENARIO_NAMES.filter((name) => known(wanted, SCENARIO_NAMES, 'scenario').includes(name)),
    runs,
    scale,
    tools: known(values.tools.split(','), TOOLS, 'tool'),
    outputFile: values.output,
  }
}

function known(names: readonly string[], all: readonly string[], what: string): readonly string[] {
  const unknown = names.find((name) => !all.includes(name))
  if (unknown !== undefined) throw new Error(`cannot run ${what} "${unknown}": there are ${all.join(', ')}`)
  return names
}
