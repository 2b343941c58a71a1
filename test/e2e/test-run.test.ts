/** What `npm test -- …` runs: the repository's settings of mocha, in a small folder of tests. */
import assert from 'node:assert/strict'
import {cp, mkdir, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ROOT = join(import.meta.dirname, '../..')
const TESTS = ['test/e2e/deep/three.test.ts', 'test/unit/one.test.ts', 'test/unit/two.test.ts']
const RUNS: readonly (readonly [description: string, args: readonly string[], expected: readonly string[]])[] = [
  ['every test without arguments', [], TESTS],
  ['one file alone', ['test/unit/two.test.ts'], ['test/unit/two.test.ts']],
  ['several files', ['test/unit/two.test.ts', 'test/e2e/deep/three.test.ts'], ['test/e2e/deep/three.test.ts', 'test/unit/two.test.ts']],
  ['a folder', ['test/unit'], ['test/unit/one.test.ts', 'test/unit/two.test.ts']],
  ['what matches the words of -g', ['-g', 'one'], ['test/unit/one.test.ts']],
]

/** What `.mocharc.json` requires. */
const HOOKS = 'test/support/child-process.ts'

describe('npm test', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let folder: string

  before(async () => {
    const temporary = await createTemporaryDirectory('test-run')
    afterwards(temporary.remove)
    folder = temporary.path
    await cp(join(ROOT, '.mocharc.json'), join(folder, '.mocharc.json'))
    await writeFile(join(folder, 'package.json'), '{"type": "module"}')
    for (const file of TESTS) {
      await mkdir(dirname(join(folder, file)), {recursive: true})
      await writeFile(join(folder, file), `it('${file}', () => {})`)
    }
    await mkdir(join(folder, 'test/support'))
    await cp(join(ROOT, HOOKS), join(folder, HOOKS))
    await writeFile(join(folder, 'test/support/double.ts'), 'throw new Error("this is no test")')
  })

  for (const [description, args, expected] of RUNS) {
    it(`runs ${description}`, async () => {
      const mocha = join(ROOT, 'node_modules/mocha/bin/mocha.js')
      const {stdout, stderr} = await run(process.execPath, [mocha, '--reporter', 'json', ...args], {cwd: folder})
      assert.equal(stderr, '')
      const {passes} = JSON.parse(stdout) as {passes: readonly {readonly title: string}[]}
      assert.deepEqual(passes.map(({title}) => title).sort(), expected)
    })
  }
})
