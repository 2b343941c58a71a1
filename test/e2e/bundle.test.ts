/** The build, while programs run from what an earlier one made. */
import assert from 'node:assert/strict'
import {existsSync} from 'node:fs'
import {mkdir, readdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {bundle} from '../../scripts/bundle.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ROOT = join(import.meta.dirname, '../..')

describe('the build', function () {
  this.timeout(120_000)
  const afterwards = cleanUpAfterwards()

  it('replaces an earlier one without a moment in which a file of both is missing, twice at the same time too', async () => {
    await mkdir(join(ROOT, '.tmp'), {recursive: true})
    const {path: folder, remove} = await createTemporaryDirectory('bundle', join(ROOT, '.tmp'))
    afterwards(remove)
    const program = join(folder, 'main.cjs')
    await writeFile(program, 'earlier')
    await writeFile(join(folder, 'no-longer-made.cjs'), '')
    let checks = 0
    let missing = 0
    const timer = setInterval(() => {
      checks++
      if (!existsSync(program)) missing++
    })
    try {
      await Promise.all([bundle(ROOT, folder), bundle(ROOT, folder)])
    } finally {
      clearInterval(timer)
    }
    assert.ok(checks > 0)
    assert.equal(missing, 0)
    assert.deepEqual((await readdir(folder)).sort(), (await readdir(join(ROOT, 'dist'))).sort())
  })
})
