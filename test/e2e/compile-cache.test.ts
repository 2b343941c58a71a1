/** What Node keeps of the compiled program is executed as it lies there: only a folder that no other user can change may hold it. */
import assert from 'node:assert/strict'
import {chmod, chown, cp, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type ProgramResult, run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ROOT = join(import.meta.dirname, '../..')
const PROGRAM_FILES = ['bin', 'dist', 'package.json', 'oclif.manifest.json']
const MODE_BITS = 0o777
const OTHER_USER = 12_345
const PLANTED = 'planted code runs'
/** Node's header of a cache file: magic number, then size and hash of the source between other sizes, four bytes each (`compile_cache.cc`). */
const HEADER = {sourceSize: [4, 8], sourceHash: [12, 16]} as const

interface Program {
  readonly launcher: string
  readonly bundle: string
}

describe('the compile cache', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let top: string
  let home: string
  let ownFolder: string
  let program: Program
  let helper: Program
  /** Cache files that run planted code in place of the program and the credential helper. */
  let planted: string

  before(async () => {
    const {path, remove} = await createTemporaryDirectory('compile-cache')
    afterwards(remove)
    top = path
    const checkout = join(top, 'checkout')
    for (const name of PROGRAM_FILES) await cp(join(ROOT, name), join(checkout, name), {recursive: true})
    program = {launcher: join(checkout, 'bin/run.js'), bundle: join(checkout, 'dist/main.cjs')}
    helper = {launcher: join(checkout, 'bin/docker-credential-holdfast.js'), bundle: join(checkout, 'dist/docker-credential.cjs')}
    planted = join(top, 'planted')
    for (const one of [program, helper]) await plant(one)
  })

  beforeEach(async () => {
    home = join(top, 'home')
    await rm(home, {recursive: true, force: true})
    await mkdir(join(home, '.cache'), {recursive: true, mode: 0o700})
    await mkdir(join(home, 'tmp'), {mode: 0o777})
    ownFolder = join(home, '.cache', 'holdfast')
  })

  it('is in a folder of its own below the cache directory of the user, for the user alone', async () => {
    await rm(join(home, '.cache'), {recursive: true})
    for (const one of [program, helper]) await start(one)
    for (const folder of [join(home, '.cache'), ownFolder]) assert.equal((await stat(folder)).mode & MODE_BITS, 0o700, folder)
    assert.match(await cacheTrace(program), /was accepted/)
    assert.match(await cacheTrace(helper), /was accepted/)
    assert.deepEqual(await readdir(join(home, 'tmp')), [])
  })

  it('is below XDG_CACHE_HOME where that is an absolute path, and follows a symbolic link there', async () => {
    const elsewhere = join(home, 'elsewhere')
    await mkdir(elsewhere, {mode: 0o700})
    await symlink(elsewhere, join(home, 'link'))
    await start(program, {XDG_CACHE_HOME: join(home, 'link')})
    assert.deepEqual(await readdir(elsewhere), ['holdfast'])
    await start(program, {XDG_CACHE_HOME: 'relative'})
    assert.deepEqual(await readdir(join(home, '.cache')), ['holdfast'])
  })

  it('would run what is planted there: the cases below are about real danger', async () => {
    await plantIn(ownFolder)
    for (const one of [program, helper]) assert.equal((await start(one)).stdout, `${PLANTED}\n`)
  })

  it('is never in the temporary directory, which all users share', async () => {
    await plantIn(join(home, 'tmp', 'node-compile-cache'))
    await rm(join(home, '.cache'), {recursive: true})
    await writeFile(join(home, '.cache'), 'no folder can be made here')
    for (const one of [program, helper]) await assertRunsItself(one)
  })

  const unsafe: Readonly<Record<string, (folder: string) => Promise<void>>> = {
    'may be written by other users': (folder) => chmod(folder, 0o777),
    'may be written by the group': (folder) => chmod(folder, 0o770),
    'may be read by other users, who could then tell what to plant': (folder) => chmod(folder, 0o755),
    'is a symbolic link': async (folder) => {
      await rename(folder, `${folder}-moved`)
      await symlink(`${folder}-moved`, folder)
    },
    'is below a folder that other users may write': (folder) => chmod(join(folder, '..'), 0o777),
    'is below a folder that the group may write': (folder) => chmod(join(folder, '..'), 0o770),
    'is below a home that other users may write': (folder) => chmod(join(folder, '../..'), 0o777),
  }
  for (const [title, change] of Object.entries(unsafe)) {
    it(`is not used when its folder ${title}`, async () => {
      await plantIn(ownFolder)
      await change(ownFolder)
      for (const one of [program, helper]) await assertRunsItself(one)
    })
  }

  const foreign: Readonly<Record<string, (folder: string) => Promise<void>>> = {
    'belongs to another user': (folder) => chown(folder, OTHER_USER, OTHER_USER),
    'is below a folder of another user': (folder) => chown(join(folder, '..'), OTHER_USER, OTHER_USER),
    'is in the home of another user, as with sudo': (folder) => chown(join(folder, '../..'), OTHER_USER, OTHER_USER),
  }
  for (const [title, change] of Object.entries(foreign)) {
    it(`is not used when its folder ${title}`, async function () {
      if (process.geteuid?.() !== 0) {
        process.stderr.write('skipped: only root can give a folder to another user\n')
        return this.skip()
      }
      await plantIn(ownFolder)
      await change(ownFolder)
      for (const one of [program, helper]) await assertRunsItself(one)
    })
  }

  it('is that of NODE_COMPILE_CACHE where the user names a folder, and none with NODE_DISABLE_COMPILE_CACHE', async () => {
    const named = join(home, 'named')
    await start(program, {NODE_COMPILE_CACHE: named})
    assert.equal((await readdir(named)).length, 1)
    await start(program, {NODE_DISABLE_COMPILE_CACHE: '1'})
    assert.deepEqual(await readdir(join(home, '.cache')), [])
  })

  function start({launcher}: Program, env: NodeJS.ProcessEnv = {}): Promise<ProgramResult> {
    const args = launcher === program.launcher ? ['registry', 'list'] : ['list']
    const {PATH} = process.env
    return run(process.execPath, [launcher, ...args], {env: {PATH, HOME: home, TMPDIR: join(home, 'tmp'), SHELL: '/bin/sh', ...env}})
  }

  /** What Node says of its cache. */
  async function cacheTrace(one: Program): Promise<string> {
    const {stderr, stdout} = await start(one, {NODE_DEBUG_NATIVE: 'COMPILE_CACHE'})
    return stderr + stdout
  }

  async function assertRunsItself(one: Program): Promise<void> {
    const {stdout, exitCode} = await start(one)
    assert.deepEqual([stdout.includes(PLANTED), exitCode], [false, 0], stdout)
    assert.doesNotMatch(await cacheTrace(one), /reading cache from/i)
  }

  async function plantIn(folder: string): Promise<void> {
    await mkdir(folder, {recursive: true, mode: 0o700})
    await cp(planted, folder, {recursive: true})
  }

  /** Makes the cache file of other code of the same length, and writes the size and hash of the real source into its header. */
  async function plant({launcher, bundle}: Program): Promise<void> {
    const source = await readFile(bundle, 'utf8')
    const code = `require('node:fs').writeSync(1, '${PLANTED}\\n');process.exit(0);`
    const {path: folder} = await createTemporaryDirectory('planting')
    afterwards(() => rm(folder, {recursive: true}))
    const [genuine, forged] = [join(folder, 'genuine'), join(folder, 'forged')]
    const fill = (cache: string) => run(process.execPath, [launcher, 'list'], {env: {HOME: folder, NODE_COMPILE_CACHE: cache}})
    await fill(genuine)
    await writeFile(bundle, code.padEnd(source.length))
    await fill(forged)
    await writeFile(bundle, source)
    const [version = ''] = await readdir(forged)
    for (const name of await readdir(join(forged, version))) {
      const [from, to] = await Promise.all([genuine, forged].map((cache) => readFile(join(cache, version, name))))
      assert.ok(from !== undefined && to !== undefined)
      for (const [start, end] of Object.values(HEADER)) from.copy(to, start, start, end)
      await mkdir(join(planted, version), {recursive: true})
      await writeFile(join(planted, version, name), to)
    }
  }
})
