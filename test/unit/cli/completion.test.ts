import assert from 'node:assert/strict'
import {type CommandWords, formatCompletion} from '../../../src/lib/cli/completion.ts'
import {run} from '../../support/run-program.ts'

const flag = (name: string, values?: readonly string[]) => ({
  name,
  summary: `It's ${name}`,
  takesValue: values !== undefined,
  values: values ?? [],
})
const COMMANDS: readonly CommandWords[] = [
  {name: 'copy', summary: 'Copy', flags: [flag('--json'), flag('--shape', ['round', 'square']), flag('--file', [])], values: []},
  {name: 'registry add', summary: 'Add', flags: [flag('--insecure')], values: []},
  {name: 'registry list', summary: 'List', flags: [flag('--json')], values: []},
  {name: 'shell', summary: 'Shell', flags: [flag('--json')], values: ['bash', 'zsh']},
]

/** What bash offers when Tab is pressed at the end of these words. */
async function complete(...words: readonly string[]): Promise<readonly string[]> {
  const script = `${formatCompletion('bash', COMMANDS)}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast; printf '%s\\n' "\${COMPREPLY[@]}"`
  const {stdout, stderr, exitCode} = await run('bash', ['-c', script, 'bash', 'holdfast', ...words], {cwd: import.meta.dirname})
  assert.equal(exitCode, 0, stderr)
  return stdout.split('\n').filter((line) => line !== '')
}

describe('completion in bash', () => {
  const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [[''], ['copy', 'registry', 'shell']],
    [['re'], ['registry']],
    [
      ['registry', ''],
      ['add', 'list'],
    ],
    [['registry', 'add', '--'], ['--insecure']],
    [
      ['copy', '--'],
      ['--json', '--shape', '--file'],
    ],
    [
      ['copy', '--shape', ''],
      ['round', 'square'],
    ],
    [['copy', 'x', '--shape', 's'], ['square']],
    [['copy', '--file', 'completion.t'], ['completion.test.ts']],
    [
      ['shell', ''],
      ['bash', 'zsh', '--json'],
    ],
    [['nothing', ''], []],
  ]
  for (const [words, offered] of cases) {
    it(`offers ${offered.join(', ') || 'nothing'} after "holdfast ${words.join(' ')}"`, async () =>
      assert.deepEqual(await complete(...words), offered))
  }
})

describe('completion in fish', () => {
  it('names each flag with its values and its summary, quoted', () => {
    const lines = formatCompletion('fish', COMMANDS).split('\n')
    assert.ok(
      lines.includes(`complete -c holdfast -n '__fish_seen_subcommand_from copy' -l shape -x -a 'round square' -d 'It'"'"'s --shape'`),
    )
    assert.ok(lines.some((line) => line.includes(`-a 'add' -d 'Add'`)))
  })
})
