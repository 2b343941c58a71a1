/** The README is tried: its shell blocks run as they are, from the first to the last, in a home of their own. */
import assert from 'node:assert/strict'
import {chmod, mkdir, readFile, writeFile} from 'node:fs/promises'
import {delimiter, join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, HOLDFAST_LAUNCHER} from '../support/holdfast.ts'
import {run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const README = new URL('../../README.md', import.meta.url)
const TIMEOUT_MS = 120_000

interface ShellBlock {
  readonly line: number
  readonly code: string
  /** `tested`, or why it is not: ```` ```sh untested: needs Docker Hub ````. */
  readonly mark: string
}

describe('README.md', () => {
  const afterwards = cleanUpAfterwards()

  it('says of each shell block that it is tested, or why it is not', async () => {
    const blocks = await readBlocks()
    assert.ok(blocks.length > 0, 'README.md has no ```sh block')
    assert.ok(
      blocks.some(({mark}) => mark === 'tested'),
      'no block is marked ```sh tested',
    )
    const unmarked = blocks.filter(({mark}) => mark !== 'tested' && !/^untested: \S+/.test(mark))
    assert.deepEqual(
      unmarked.map(({line, mark}) => `line ${line}: "${mark}"`),
      [],
    )
  })

  it('has tested blocks that run, one after another, in one shell', async function () {
    this.timeout(TIMEOUT_MS)
    const blocks = (await readBlocks()).filter(({mark}) => mark === 'tested')
    const directory = await createTemporaryDirectory('readme')
    afterwards(directory.remove)
    const holdfast = await createHoldfast(directory.path)
    const programs = join(directory.path, 'programs')
    const scratch = join(directory.path, 'scratch')
    await mkdir(programs)
    await mkdir(scratch)
    await writeFile(join(programs, 'holdfast'), `#!/bin/sh\nexec "${process.execPath}" "${HOLDFAST_LAUNCHER}" "$@"\n`)
    await chmod(join(programs, 'holdfast'), 0o755)
    const parts = blocks.map(({line, code}) => `echo "# README.md line ${line}" >&2\n${code}`)
    // What a block leaves running ends with the shell; its exit code stays that of the failed command.
    const script = ['set -euo pipefail', `trap 'code=$?; kill $(jobs -p) 2>/dev/null || true; exit $code' EXIT`, ...parts].join('\n')
    const env = {...holdfast.env, PATH: [programs, holdfast.env.PATH ?? ''].join(delimiter)}
    const {exitCode, stdout, stderr} = await run('bash', ['-c', script], {env, cwd: scratch, timeoutMs: TIMEOUT_MS})
    assert.equal(exitCode, 0, `${stderr}\n${stdout}`)
  })
})

async function readBlocks(): Promise<readonly ShellBlock[]> {
  const text = await readFile(README, 'utf8')
  return [...text.matchAll(/^```(?:sh|bash|shell|console)(.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length,
    mark: (match[1] ?? '').trim(),
    code: match[2] ?? '',
  }))
}
