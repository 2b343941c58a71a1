import assert from 'node:assert/strict'
import {existsSync} from 'node:fs'
import {lstat, readFile, stat, symlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import fc from 'fast-check'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {planConfiguration, planUndo} from '../../../src/lib/credentials/configure-docker/configure.ts'
import {createFileJournal, type Journal} from '../../../src/lib/credentials/configure-docker/journal.ts'
import {parseRegistryHost} from '../../../src/lib/oci/reference.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

const A = parseRegistryHost('a.example.com')
const B = parseRegistryHost('b.example.com:5000')
const HUB = parseRegistryHost('docker.io')

describe("the helper's place in docker's and podman's configuration", () => {
  let directory: TemporaryDirectory
  let journal: Journal
  let file: string
  let count = 0

  before(async () => {
    directory = await createTemporaryDirectory('configure-docker')
  })
  after(() => directory.remove())
  beforeEach(() => fresh())

  function fresh(): void {
    file = join(directory.path, `config-${count}.json`)
    journal = createFileJournal(join(directory.path, `journal-${count++}.json`))
  }

  const configure = async (registries = [A], tool: 'docker' | 'podman' = 'docker'): Promise<void> =>
    (await planConfiguration({file, tool, registries}, journal)).apply()
  const undo = async (registries: readonly (typeof A)[] = [], tool: 'docker' | 'podman' = 'docker'): Promise<void> =>
    (await planUndo({file, tool, registries}, journal)).apply()
  const text = (): Promise<string> => readFile(file, 'utf8')

  it('is made in a new file that nobody else reads, which goes when it is taken back', async () => {
    await configure()
    assert.deepEqual(JSON.parse(await text()), {credHelpers: {[A]: 'holdfast'}})
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    await undo()
    assert.equal(existsSync(file), false)
  })

  it('is named as each tool names docker.io', async () => {
    await configure([HUB])
    assert.deepEqual(JSON.parse(await text()).credHelpers, {'https://index.docker.io/v1/': 'holdfast'})
    fresh()
    await configure([HUB], 'podman')
    assert.deepEqual(JSON.parse(await text()).credHelpers, {'docker.io': 'holdfast'})
  })

  const json = fc.dictionary(
    fc.string(),
    fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.string()), fc.dictionary(fc.string(), fc.string())),
    {noNullPrototype: true},
  )
  const helpers = fc.option(
    fc.dictionary(fc.constantFrom(A, B, 'c.example.com'), fc.constantFrom('pass', 'osxkeychain'), {noNullPrototype: true}),
  )
  const layout = fc.constantFrom<string | number | undefined>(undefined, 1, 2, '\t', '    ')

  it('changes nothing but its entries, whatever else is there and however it is written, and every byte comes back', async () => {
    await fc.assert(
      fc.asyncProperty(json, helpers, layout, fc.constantFrom('', '\n', '\r\n', '  '), async (members, credHelpers, indent, end) => {
        fresh()
        const config = {...members, ...(credHelpers === null ? {} : {credHelpers}), zzz: 1}
        const before = JSON.stringify(config, undefined, indent) + end
        await writeFile(file, before)
        await configure([A, B])
        assert.deepEqual(JSON.parse(await text()), {...JSON.parse(before), credHelpers: {...credHelpers, [A]: 'holdfast', [B]: 'holdfast'}})
        await undo()
        assert.equal(await text(), before)
        await configure([A])
        await configure([B])
        await undo([A])
        assert.deepEqual(JSON.parse(await text()).credHelpers, {...credHelpers, [B]: 'holdfast'})
        await undo()
        // No helper for anything, and none at all, are the same to docker.
        assert.deepEqual({credHelpers: {}, ...JSON.parse(await text())}, {credHelpers: {}, ...JSON.parse(before)})
      }),
      {numRuns: 60},
    )
  })

  it('is taken back from a file that was changed since: its entries go, the change stays', async () => {
    await writeFile(file, '{\n  "credHelpers": {"a.example.com": "pass"}\n}\n')
    await configure([A, B])
    await writeFile(file, (await text()).replace('{\n', '{\n  "psFormat": "x",\n'))
    await undo()
    assert.deepEqual(JSON.parse(await text()), {psFormat: 'x', credHelpers: {[A]: 'pass'}})
  })

  it('keeps a symbolic link, and changes the file behind it', async () => {
    const real = `${file}.real`
    await writeFile(real, '{}')
    await symlink(real, file)
    await configure()
    assert.ok((await lstat(file)).isSymbolicLink())
    assert.deepEqual(JSON.parse(await readFile(real, 'utf8')).credHelpers, {[A]: 'holdfast'})
  })

  it('is not written over a change that somebody made after it was shown', async () => {
    await writeFile(file, '{}')
    const plan = await planConfiguration({file, tool: 'docker', registries: [A]}, journal)
    await writeFile(file, '{"auths": {}}')
    await assert.rejects(plan.apply(), (error) => error instanceof HoldfastError && error.code === 'CONFLICT')
    assert.equal(await text(), '{"auths": {}}')
  })

  it('is not looked for in a file that is none of JSON, or has no object of helpers', async () => {
    for (const wrong of ['[]', '{', '"x"', '{"credHelpers": []}', '{"credHelpers": {"a.example.com": 1}}', '{} x']) {
      await writeFile(file, wrong)
      await assert.rejects(configure(), (error) => error instanceof HoldfastError && error.code === 'CONFIGURATION', wrong)
      assert.equal(await text(), wrong)
    }
  })
})
