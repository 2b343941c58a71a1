/** `scripts/start.mjs`: what it installs and when, and the program that it runs then. In small checkouts, with an npm that records its calls, and with the real one. */
import assert from 'node:assert/strict'
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {chmod, cp, mkdir, readFile, rm, utimes, writeFile} from 'node:fs/promises'
import {delimiter, dirname, join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {BUNDLED_NODE, findOldNode} from '../support/old-node.ts'
import {type ProgramResult, type RunOptions, run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ROOT = join(import.meta.dirname, '../..')
const NODE_PACKAGE = BUNDLED_NODE.split('/').slice(0, 2).join('/')
const RECORD = 'node_modules/.package-lock.json'
const LOCK = '.tmp/install.lock'
const INSTALLING = 'installing dependencies (npm ci)\n'

type Packages = Record<string, Readonly<Record<string, unknown>>>

/** As npm writes it: a package, the Node of this platform, and one for a platform that does not exist. */
const PACKAGES: Packages = {
  '': {name: 'small'},
  'node_modules/mocha': {version: '1.0.0', integrity: 'sha512-mocha'},
  [NODE_PACKAGE]: {version: '24.21.0', integrity: 'sha512-node', optional: true, os: process.platform, cpu: [process.arch]},
  'node_modules/node-other-x64': {version: '24.21.0', integrity: 'sha512-other', optional: true, os: 'other', cpu: 'x64'},
}
const WITHOUT_OTHERS: Packages = Object.fromEntries(Object.entries(PACKAGES).filter(([path]) => path !== '' && !path.includes('other')))
const NEWER_MOCHA: Packages = {'node_modules/mocha': {version: '2.0.0', integrity: 'sha512-newer'}}

/** In place of npm: writes down that it was called, waits while it is told to, ends as it is told to, installs what the lockfile has. */
const RECORDING_NPM = `
const {appendFileSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} = require('node:fs')
appendFileSync('npm.log', process.argv.slice(2).join(' ') + '\\n')
while (existsSync('wait')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
if (process.env.NPM_EXIT_CODE) process.exit(Number(process.env.NPM_EXIT_CODE))
rmSync('node_modules', {recursive: true, force: true})
mkdirSync('${dirname(BUNDLED_NODE)}', {recursive: true})
copyFileSync('installed-node', '${BUNDLED_NODE}')
const {packages} = JSON.parse(readFileSync('package-lock.json', 'utf8'))
writeFileSync('${RECORD}', JSON.stringify({packages: Object.fromEntries(Object.entries(packages).filter(([path]) => path !== '' && !path.includes('other')))}))
`

/** The program that is started: says how, and ends as its first argument says. */
const PROGRAM = `
const [end, ...args]: string[] = process.argv.slice(2)
if (end === 'wait') {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => { console.log(signal); process.exit(9) })
  setInterval(() => {}, 1000)
} else if (end === 'kill') process.kill(process.pid, 'SIGKILL')
else process.exitCode = Number(end)
console.log(JSON.stringify({startedAs: process.env.STARTED_AS, args}))
`

interface Checkout {
  readonly path: string
  readonly node: string
  readonly env: NodeJS.ProcessEnv
  /** Runs `start.mjs program.ts …`. */
  start(args: readonly string[], options?: RunOptions): Promise<ProgramResult>
  write(file: string, content: unknown): Promise<void>
  /** What npm was called with so far. */
  npmCalls(): Promise<readonly string[]>
}

describe('the start from a checkout', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let systemNode: string

  before(async () => {
    systemNode = (await findOldNode()) ?? process.execPath
  })

  /** A checkout without `node_modules`, in a folder whose name has a space and an umlaut. */
  async function createCheckout(): Promise<Checkout> {
    const temporary = await createTemporaryDirectory('start')
    afterwards(temporary.remove)
    const path = join(temporary.path, 'Häuser am See')
    await mkdir(path)
    for (const file of ['scripts/start.mjs', 'bin/old-node.js', 'bin/package.json']) await cp(join(ROOT, file), join(path, file))
    const write = async (file: string, content: unknown) => {
      await mkdir(dirname(join(path, file)), {recursive: true})
      await writeFile(join(path, file), typeof content === 'string' ? content : JSON.stringify(content))
    }
    await write('package.json', {name: 'small', type: 'module', engines: {node: '>=24.7.0'}})
    await write('package-lock.json', {packages: PACKAGES})
    await write('program.ts', PROGRAM)
    await write('npm/npm-cli.js', RECORDING_NPM)
    await write('npm/package.json', {type: 'commonjs'})
    await write('installed-node', `#!/bin/sh\nSTARTED_AS="$0" exec '${process.execPath}' "$@"\n`)
    await chmod(join(path, 'installed-node'), 0o755)
    const env = {PATH: withoutOwnPrograms(), npm_execpath: join(path, 'npm/npm-cli.js')}
    return {
      path,
      node: join(path, BUNDLED_NODE),
      env,
      start: (args, options = {}) =>
        run(systemNode, ['scripts/start.mjs', 'program.ts', ...args], {cwd: path, ...options, env: {...env, ...options.env}}),
      write,
      npmCalls: async () => (await readFile(join(path, 'npm.log'), 'utf8').catch(() => '')).split('\n').slice(0, -1),
    }
  }

  async function createInstalledCheckout(): Promise<Checkout> {
    const checkout = await createCheckout()
    await checkout.write(RECORD, {packages: WITHOUT_OTHERS})
    await mkdir(dirname(checkout.node), {recursive: true})
    await cp(join(checkout.path, 'installed-node'), checkout.node)
    return checkout
  }

  it('installs first, and then runs the program on the Node that npm brought, by its path, with the arguments as they are', async () => {
    const checkout = await createCheckout()
    const args = ['--flag', 'two words', 'ü"\'$HOME', '', '--', '*']
    const {stdout, stderr, exitCode} = await checkout.start(['0', ...args])
    assert.deepEqual([stderr, exitCode], [INSTALLING, 0])
    assert.deepEqual(JSON.parse(stdout), {startedAs: checkout.node, args})
    const [call, ...others] = await checkout.npmCalls()
    assert.match(call ?? '', /^ci --include=dev --include=optional /)
    assert.deepEqual(others, [])
  })

  it('installs nothing while node_modules agrees with the lockfile, whatever the age of the files', async () => {
    const checkout = await createInstalledCheckout()
    const later = new Date(Date.now() + 1e9)
    await utimes(join(checkout.path, 'package-lock.json'), later, later)
    assert.equal((await checkout.start(['0'])).stderr, '')
    assert.deepEqual(await checkout.npmCalls(), [])
  })

  it('leaves a package in place that was installed beside the lockfile', async () => {
    const checkout = await createInstalledCheckout()
    await checkout.write(RECORD, {packages: {...WITHOUT_OTHERS, 'node_modules/tried': {version: '1.0.0', extraneous: true}}})
    assert.equal((await checkout.start(['0'])).stderr, '')
  })

  const stale: Readonly<Record<string, (checkout: Checkout) => Promise<void>>> = {
    'the lockfile has another version, and is older by its time': async ({path, write}) => {
      await write('package-lock.json', {packages: {...PACKAGES, ...NEWER_MOCHA}})
      await utimes(join(path, 'package-lock.json'), new Date(0), new Date(0))
    },
    'the lockfile has the same version with other content': ({write}) =>
      write('package-lock.json', {packages: {...PACKAGES, 'node_modules/mocha': {version: '1.0.0', integrity: 'sha512-other'}}}),
    'the lockfile has a package more': ({write}) =>
      write('package-lock.json', {packages: {...PACKAGES, 'node_modules/more': {version: '1.0.0'}}}),
    'the lockfile no longer has a package': ({write}) =>
      write(RECORD, {packages: {...WITHOUT_OTHERS, 'node_modules/less': {version: '1.0.0'}}}),
    'its Node has another version': ({write}) =>
      write(RECORD, {packages: {...WITHOUT_OTHERS, [NODE_PACKAGE]: {version: '22.0.0', integrity: 'sha512-old'}}}),
    'its Node is that of another platform': async ({path, write}) => {
      const {[NODE_PACKAGE]: _, ...others} = WITHOUT_OTHERS
      await rm(join(path, NODE_PACKAGE), {recursive: true})
      await write('node_modules/node-other-x64/bin/node', 'not for this machine')
      await write(RECORD, {packages: {...others, 'node_modules/node-other-x64': PACKAGES['node_modules/node-other-x64']}})
    },
    'an installation was interrupted': ({path}) => rm(join(path, RECORD)),
    'its record was cut off': ({write}) => write(RECORD, '{"packages": {'),
  }
  for (const [reason, spoil] of Object.entries(stale)) {
    it(`installs again when ${reason}`, async () => {
      const checkout = await createInstalledCheckout()
      await spoil(checkout)
      const again = await checkout.start(['0'])
      assert.deepEqual([again.stderr, again.exitCode], [INSTALLING, 0])
      assert.equal(JSON.parse(again.stdout).startedAs, checkout.node)
      assert.equal((await checkout.start(['0'])).stderr, '')
    })
  }

  it('ends with the exit code of the program, and with 128 and its number when a signal ended it', async () => {
    const checkout = await createInstalledCheckout()
    assert.equal((await checkout.start(['7'])).exitCode, 7)
    assert.equal((await checkout.start(['kill'])).exitCode, 137)
  })

  it('passes SIGINT and SIGTERM on to the program', async () => {
    const checkout = await createInstalledCheckout()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const child = spawn(systemNode, ['scripts/start.mjs', 'program.ts', 'wait'], {cwd: checkout.path, env: checkout.env})
      let said = ''
      child.stdout.on('data', (chunk) => {
        if (said === '') child.kill(signal)
        said += String(chunk)
      })
      assert.deepEqual(await once(child, 'close'), [9, null])
      assert.equal(said.split('\n')[1], signal)
    }
  })

  it('passes on the exit code of a failed installation, says so, and runs nothing', async () => {
    const checkout = await createCheckout()
    const failed = await checkout.start(['0'], {env: {NPM_EXIT_CODE: '3'}})
    const message = 'Error: cannot install the dependencies: npm ci ended with exit code 3; npm ci --loglevel=verbose\n'
    assert.deepEqual([failed.exitCode, failed.stdout, failed.stderr], [3, '', INSTALLING + message])
    assert.equal((await checkout.start(['0'])).exitCode, 0)
  })

  it('says what is missing when there is no npm', async () => {
    const checkout = await createCheckout()
    const {exitCode, stdout, stderr} = await checkout.start(['0'], {env: {PATH: checkout.path, npm_execpath: ''}})
    assert.deepEqual([exitCode, stdout], [10, ''])
    assert.match(stderr, /^Error: cannot install the dependencies: npm does not start: /m)
  })

  it('says which Node it needs when npm brought none', async function () {
    if (systemNode === process.execPath) return this.skip()
    const checkout = await createInstalledCheckout()
    await checkout.write('npm/npm-cli.js', '')
    await rm(join(checkout.path, 'node_modules'), {recursive: true})
    const {exitCode, stderr} = await checkout.start(['0'])
    assert.equal(exitCode, 10)
    assert.match(stderr, /^Error: cannot start "program\.ts": npm brought no Node for .*; install Node >=24\.7\.0: /m)
  })

  it('installs once when it is called twice at the same time, and runs both programs', async () => {
    const checkout = await createCheckout()
    await checkout.write('wait', '')
    const first = spawn(systemNode, ['scripts/start.mjs', 'program.ts', '0'], {cwd: checkout.path, env: checkout.env})
    await once(first.stderr, 'data')
    const second = spawn(systemNode, ['scripts/start.mjs', 'program.ts', '0'], {cwd: checkout.path, env: checkout.env})
    const [waiting] = await once(second.stderr, 'data')
    assert.equal(String(waiting), `waiting for process ${first.pid}, which installs dependencies here\n`)
    const ends = Promise.all([once(first, 'exit'), once(second, 'exit')])
    await rm(join(checkout.path, 'wait'))
    assert.deepEqual(await ends, [
      [0, null],
      [0, null],
    ])
    assert.equal((await checkout.npmCalls()).length, 1)
  })

  it('does not wait for an installation whose process is gone', async () => {
    const checkout = await createCheckout()
    const gone = spawn(process.execPath, ['--version'])
    await once(gone, 'exit')
    await checkout.write(LOCK, String(gone.pid))
    const {stderr, exitCode} = await checkout.start(['0'])
    assert.deepEqual([stderr, exitCode], [INSTALLING, 0])
    await assert.rejects(readFile(join(checkout.path, LOCK)), {code: 'ENOENT'})
  })

  describe('by npm', () => {
    /** The scripts of this repository, with packages and programs of their own: npm installs them from folders. */
    async function createProject(): Promise<Checkout> {
      const checkout = await createCheckout()
      const {scripts} = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
      const name = NODE_PACKAGE.replace('node_modules/', '')
      const folders = {[name]: 'packages/node', mocha: 'packages/mocha'}
      const dependencies = Object.fromEntries(Object.entries(folders).map(([dependency, folder]) => [dependency, `file:${folder}`]))
      await checkout.write('package.json', {name: 'small', type: 'module', engines: {node: '>=24.7.0'}, scripts, dependencies})
      await checkout.write('package-lock.json', {
        name: 'small',
        lockfileVersion: 3,
        packages: {
          '': {name: 'small', dependencies},
          ...Object.fromEntries(Object.entries(folders).map(([key, resolved]) => [`node_modules/${key}`, {resolved, link: true}])),
          'packages/node': {name, version: '1.0.0', bin: {node: 'bin/node'}},
          'packages/mocha': {version: '1.0.0'},
        },
      })
      await checkout.write('packages/node/package.json', {name, version: '1.0.0', bin: {node: 'bin/node'}})
      await mkdir(join(checkout.path, 'packages/node/bin'))
      await cp(join(checkout.path, 'installed-node'), join(checkout.path, 'packages/node/bin/node'))
      await checkout.write('packages/mocha/package.json', {name: 'mocha', version: '1.0.0', type: 'module'})
      await checkout.write('packages/mocha/bin/mocha.js', "console.log('tested', ...process.argv.slice(2))")
      await checkout.write('scripts/build.ts', "const step: string = 'built'\nconsole.log(step)")
      await checkout.write('scripts/quickstart.ts', "const step: string = 'started'\nconsole.log(step, process.env.STARTED_AS)")
      return checkout
    }

    const npm = (checkout: Checkout, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ProgramResult> =>
      run('npm', args, {
        cwd: checkout.path,
        env: {PATH: [dirname(systemNode), withoutOwnPrograms()].join(delimiter), HOME: checkout.path, ...env},
      })
    const lastLines = ({stdout}: ProgramResult, count: number): readonly string[] => stdout.trimEnd().split('\n').slice(-count)

    it('works as the first command, whichever `node` the shell ran before', async () => {
      const checkout = await createProject()
      const first = await npm(checkout, ['run', 'quickstart'])
      assert.equal(first.exitCode, 0, first.stderr)
      assert.deepEqual(lastLines(first, 1), [`started ${checkout.node}`])
    })

    it('works as the first command with --ignore-scripts: what the tests need is no script that npm runs before them', async () => {
      const checkout = await createProject()
      const first = await npm(checkout, ['test', '--', 'one file'], {npm_config_ignore_scripts: 'true', NODE_ENV: 'production'})
      assert.equal(first.exitCode, 0, first.stderr)
      assert.deepEqual(lastLines(first, 2), ['built', 'tested one file'])
    })

    it('works when node_modules/.bin/node is that of another platform', async () => {
      const checkout = await createProject()
      await checkout.write('node_modules/.bin/node', 'not for this machine')
      await chmod(join(checkout.path, 'node_modules/.bin/node'), 0o755)
      const first = await npm(checkout, ['run', 'quickstart'])
      assert.equal(first.exitCode, 0, first.stderr)
      assert.deepEqual(lastLines(first, 1), [`started ${checkout.node}`])
    })

    it('starts no script of package.json in another way', async () => {
      const {scripts} = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {scripts: Readonly<Record<string, string>>}
      const commands = Object.values(scripts).flatMap((script) => script.split(' && '))
      assert.deepEqual(
        commands.filter((command) => !command.startsWith('"$npm_node_execpath" scripts/start.mjs ') && !command.startsWith('npm run ')),
        [],
      )
    })
  })
})

/** PATH as a user has it before npm adds the programs of the checkout. */
function withoutOwnPrograms(): string {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return folders.filter((folder) => !folder.includes('node_modules')).join(delimiter)
}
