/** `npm run bench`: copies and serves images beside other tools and prints how Holdfast compares; see docs/performance.md. */
import {mkdir, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {type Closers, createClosers} from './closers.ts'
import {type ImageShape, scaleImage} from './corpus/shapes.ts'
import {OWN_FOLDER, openLaboratory} from './laboratory.ts'
import {type BenchOptions, parseOptions, USAGE} from './options.ts'
import {requirePrograms} from './programs.ts'
import {formatScenario} from './report.ts'
import {runRounds} from './rounds.ts'
import {SCENARIO_PLANS} from './scenarios/open.ts'
import {type ScenarioSummary, summarise} from './summary.ts'

const EXIT_FAILED = 1
const EXIT_INTERRUPTED = 130
/** What every scenario needs: bash and time(1) measure. */
const PROGRAMS = ['bash', 'time']

const say = (text: string): void => void process.stderr.write(`${text}\n`)

async function bench(options: BenchOptions, closers: Closers, signal: AbortSignal): Promise<void> {
  const plans = options.scenarios.map((name) => SCENARIO_PLANS[name])
  await requirePrograms([...new Set([...PROGRAMS, ...plans.flatMap(({programs}) => programs)])])
  say('making the images …')
  const images = distinct(plans.flatMap((plan) => plan.images)).map((image) => scaleImage(image, options.scale))
  const laboratory = await openLaboratory({images, tools: options.tools}, closers)
  const {machine} = laboratory
  say(JSON.stringify(machine, undefined, 2))
  if (options.scale !== 1) say(`layers are scaled by ${options.scale}: the figures below mean nothing`)

  const scenarios: ScenarioSummary[] = []
  for (const plan of plans) {
    const keep = closers.count
    const scenario = await plan.open(laboratory)
    const runs = options.runs * scenario.runsFactor
    const {results, dropped} = await runRounds(scenario, runs, (contestant, round) => {
      signal.throwIfAborted()
      say(`${scenario.name} ${round}/${runs} ${contestant}`)
    })
    for (const reason of dropped) say(`left out ${reason}`)
    await closers.close(keep)
    const summary = summarise(scenario, results)
    scenarios.push(summary)
    process.stdout.write(`${formatScenario(summary)}\n`)
  }
  const date = new Date().toISOString()
  const outputFile = options.outputFile ?? join(OWN_FOLDER, `${date.replaceAll(':', '')}.json`)
  await mkdir(dirname(outputFile), {recursive: true})
  await writeFile(outputFile, `${JSON.stringify({date, scale: options.scale, machine, scenarios}, undefined, 2)}\n`)
  say(`figures in ${outputFile}`)
}

function distinct(images: readonly ImageShape[]): readonly ImageShape[] {
  return [...new Map(images.map((image) => [image.repository, image])).values()]
}

async function main(args: readonly string[]): Promise<number> {
  const closers = createClosers((error) => say(String(error)))
  const interruption = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => interruption.abort())
  try {
    const options = parseOptions(args)
    if (options === 'help') process.stdout.write(USAGE)
    else await bench(options, closers, interruption.signal)
    return 0
  } catch (error) {
    if (interruption.signal.aborted) return EXIT_INTERRUPTED
    say(error instanceof Error ? error.message : String(error))
    return EXIT_FAILED
  } finally {
    await closers.close()
  }
}

process.exitCode = await main(process.argv.slice(2))
