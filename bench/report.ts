/** The figures as text for people. */
import type {ContestantSummary, ScenarioSummary, TargetSummary} from './summary.ts'

const COLUMNS = [
  '',
  'wall s',
  '(min)',
  'ratio',
  'cpu s',
  '(min)',
  'ratio',
  'peak MB',
  'src req',
  'dst req',
  'pulled MB',
  'uploads',
] as const

/** One table for a scenario, with its targets below. */
export function formatScenario(summary: ScenarioSummary): string {
  const rows = [COLUMNS, ...summary.contestants.map(formatRow)]
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) => row.map((cell, column) => pad(cell, widths[column] ?? 0, column === 0)).join('  '))
  const heading = `${summary.name}: ${summary.title}; ${summary.rounds} rounds, ratios to ${summary.rival}`
  return [heading, ...lines, ...summary.targets.map(formatTarget), ''].join('\n')
}

function formatRow(contestant: ContestantSummary): readonly string[] {
  const {name, wallMs, cpuMs, wallRatio, cpuRatio, peakMemoryBytes, traffic} = contestant
  return [
    name,
    seconds(wallMs.median),
    seconds(wallMs.minimum),
    ratio(wallRatio),
    seconds(cpuMs.median),
    seconds(cpuMs.minimum),
    ratio(cpuRatio),
    megabytes(peakMemoryBytes),
    traffic === undefined ? '' : String(traffic.sourceRequests),
    traffic === undefined ? '' : String(traffic.targetRequests),
    traffic === undefined ? '' : megabytes(traffic.bytesPulled),
    traffic === undefined ? '' : String(traffic.uploads),
  ]
}

function formatTarget({metric, value, atMost, isMet}: TargetSummary): string {
  const isMemory = metric === 'peak memory'
  const figure = isMemory ? `${megabytes(value)} MB` : value.toFixed(3)
  const bound = isMemory ? `${megabytes(atMost)} MB` : atMost.toFixed(3)
  return `  ${isMet ? 'met   ' : 'MISSED'} ${metric}: ${figure}, at most ${bound}`
}

const seconds = (ms: number): string => (ms / 1000).toFixed(3)
const megabytes = (bytes: number): string => (bytes / 1_000_000).toFixed(1)
const ratio = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(2))

function pad(cell: string, width: number, isFirst: boolean): string {
  return isFirst ? cell.padEnd(width) : cell.padStart(width)
}
