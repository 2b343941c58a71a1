/** The build, while programs run from what an earlier one made. */
import assert from 'node:assert/strict'
import {existsSync} from 'node:fs'
import {mkdir, readdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {bundle} from '../../scripts/bundle.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast} from '../support/holdfast.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ROOT = join(import.meta.dirname, '../..')

describe('the build', function () {
  this.timeout(180_000)
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

  it('is plain ASCII, since one wider character doubles what the source takes in memory and how long it is read', async () => {
    const source = await readFile(join(ROOT, 'dist/main.cjs'), 'utf8')
    assert.deepEqual(source.match(/[^\0-\x7f]/g) ?? [], [])
  })

  it('loads no cryptography where a command needs none', async () => {
    const {path: folder, remove} = await createTemporaryDirectory('bundle')
    afterwards(remove)
    const recorder = join(folder, 'recorder.cjs')
    await writeFile(
      recorder,
      "process.on('exit', () => console.error(process.moduleLoadList.filter((name) => name.startsWith('NativeModule')).join()))",
    )
    const holdfast = await createHoldfast(folder, {NODE_OPTIONS: `--require ${recorder}`})
    const {exitCode, stderr} = await holdfast.run(['registry', 'list'])
    assert.equal(exitCode, 0)
    const loaded = stderr.split(/[\n,]/)
    assert.ok(loaded.includes('NativeModule net'))
    for (const name of ['crypto', 'tls', 'https']) assert.ok(!loaded.includes(`NativeModule ${name}`), name)
  })
})
