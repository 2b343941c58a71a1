/** The shortest command against a Node that does nothing. */
import {holdfastCommand} from '../holdfast.ts'
import type {Laboratory} from '../laboratory.ts'
import {type Command, measure} from '../measure.ts'
import {type Contestant, OURS, type Scenario} from '../scenario.ts'

const RIVAL = 'node -e 0'

export function openStartUpScenario(laboratory: Laboratory): Scenario {
  const {environment, memoryFolder} = laboratory
  const contestant = (name: string, command: Command): Contestant => ({name, sample: () => measure(command, memoryFolder)})
  const node = contestant(RIVAL, {argv: [process.execPath, '-e', '0'], environment})
  return {
    name: 'start-up',
    title: 'holdfast --version against node -e 0',
    rival: RIVAL,
    targets: {wallRatio: 3},
    runsFactor: 4,
    contestants: laboratory.toolNames.has(OURS) ? [contestant(OURS, holdfastCommand(['--version'], environment)), node] : [node],
  }
}
