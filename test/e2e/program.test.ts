/** The program as it is started from a shell: help, versions, exit codes, pipes, and what stands where. */
import assert from 'node:assert/strict'
import type {ChildProcessWithoutNullStreams} from 'node:child_process'
import {once} from 'node:events'
import {cp, mkdir, readFile, symlink} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {spawnChild} from '../support/child-process.ts'
import {createHoldfast, HOLDFAST_LAUNCHER, type Holdfast} from '../support/holdfast.ts'
import {BUNDLED_NODE, findOldNode} from '../support/old-node.ts'
import {PATIENCE_MS} from '../support/patience.ts'
import {run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ROOT = join(import.meta.dirname, '../..')

interface Manifest {
  readonly commands: Readonly<
    Record<
      string,
      {
        readonly id: string
        readonly summary?: string
        readonly examples?: readonly string[]
        readonly flags: Readonly<Record<string, {readonly env?: string; readonly summary?: string}>>
      }
    >
  >
}

/** Flags that let something be removed. */
const CONSENT: ReadonlySet<string> = new Set(['yes', 'prune', 'purge', 'include-siblings', 'allow-empty', 'max-removals', 'plan'])

describe('the program', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let folder: string
  let holdfast: Holdfast
  let manifest: Manifest

  before(async () => {
    const temporary = await createTemporaryDirectory('program')
    afterwards(temporary.remove)
    folder = temporary.path
    holdfast = await createHoldfast(folder)
    manifest = JSON.parse(await readFile(join(ROOT, 'oclif.manifest.json'), 'utf8'))
  })

  it('tells its version without being loaded, in the same words as when it is', async () => {
    const fast = await holdfast.run(['--version'])
    const slow = await holdfast.run(['--version', '--quiet'])
    const {version} = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    assert.equal(fast.stdout, `holdfast/${version} ${process.platform}-${process.arch} node-${process.version}\n`)
    assert.equal(slow.stdout, fast.stdout)
  })

  it('prints help and ends with 0 when nothing is asked of it', async () => {
    const bare = await holdfast.run([])
    assert.deepEqual([bare.exitCode, bare.stderr], [0, ''])
    for (const word of ['USAGE', 'cache-image', 'registry', 'serve']) assert.ok(bare.stdout.includes(word), word)
    assert.equal((await holdfast.run(['--help'])).stdout, bare.stdout)
    assert.equal((await holdfast.run(['help'])).stdout, bare.stdout)
  })

  it('explains each command with an example', async function () {
    this.timeout(PATIENCE_MS)
    for (const [id, {summary, examples = []}] of Object.entries(manifest.commands)) {
      assert.ok(summary, `${id} has no summary`)
      assert.ok(examples.length > 0, `${id} has no example`)
      const words = id.split(':')
      const {exitCode, stdout} = await holdfast.run([...words, '--help'])
      assert.equal(exitCode, 0)
      assert.ok(stdout.includes(`$ holdfast ${words.join(' ')}`), `${id}: ${stdout}`)
      assert.ok(stdout.includes('EXAMPLES'), id)
    }
  })

  it('has for each flag a variable of the same name, but for those that read standard input, and a summary', () => {
    for (const {id, flags} of Object.values(manifest.commands)) {
      for (const [name, flag] of Object.entries(flags)) {
        // HOLDFAST_CF says where apps are: a variable logs in and out nowhere, targets no other space, and consents to nothing.
        const isChoiceOfTheMoment =
          (name === 'cf' && ['login', 'logout'].includes(id)) || (id === 'target' && ['org', 'space'].includes(name)) || CONSENT.has(name)
        const variable = name.endsWith('-stdin') || isChoiceOfTheMoment ? undefined : `HOLDFAST_${name.toUpperCase().replaceAll('-', '_')}`
        assert.equal(flag.env, variable, `${id} --${name}`)
        assert.ok(flag.summary, `${id} --${name} has no summary`)
      }
    }
  })

  it('takes nothing from standard input that was not asked for there', async () => {
    const {stderr, exitCode} = await holdfast.run(['cached'], {input: 'alpine\n'})
    assert.deepEqual([exitCode, stderr], [0, 'nothing is cached yet\n'])
  })

  it('takes flags from the environment', async () => {
    const {stdout, stderr} = await holdfast.run(['cached'], {env: {HOLDFAST_JSON: '1'}})
    assert.deepEqual([JSON.parse(stdout).result, stderr], [{images: []}, ''])
  })

  it('takes repeatable flags from the environment as lists', async () => {
    const {stdout} = await holdfast.run(['inspect', '127.0.0.1:1/a:1'], {
      env: {HOLDFAST_JSON: '1', HOLDFAST_TRUST_HOST: 'a.example=b.example,c.example'},
    })
    assert.match(JSON.parse(stdout).error.message, /^cannot use "HOLDFAST_TRUST_HOST": "c\.example" does not/)
    const allowed = await holdfast.run(['inspect', '127.0.0.1:1/a:1'], {env: {HOLDFAST_JSON: '1', HOLDFAST_ALLOW_HELPER: 'one,t/w/o'}})
    assert.match(JSON.parse(allowed.stdout).error.message, /^cannot allow credential helper "t\/w\/o"/)
  })

  it('says what was meant when a command is mistyped', async () => {
    const {exitCode, stdout, stderr} = await holdfast.run(['cahced'])
    assert.deepEqual([exitCode, stdout], [2, ''])
    assert.match(
      stderr,
      /^Error: cannot run "cahced": there is no such command; did you mean "cached"\? \(USAGE\)\nTry:\n {2}holdfast cached --help\n$/,
    )
    const topic = await holdfast.run(['registry', 'lst'])
    assert.match(topic.stderr, /did you mean "registry list"\?/)
    assert.equal(topic.exitCode, 2)
  })

  it('points to the help of the command whose flags were wrong', async () => {
    for (const flags of [['--to'], ['--no-such-flag'], ['--max-wait', 'long']]) {
      const {exitCode, stderr} = await holdfast.run(['cache-image', 'x', ...flags])
      assert.deepEqual([exitCode, stderr.split('\n').at(-2)], [2, '  holdfast cache-image --help'], stderr)
    }
  })

  it('keeps notes off standard output, and says nothing but results with --quiet', async () => {
    const loud = await holdfast.run(['cached'])
    assert.deepEqual([loud.stdout, loud.stderr], ['', 'nothing is cached yet\n'])
    const quiet = await holdfast.run(['cached', '-q'])
    assert.deepEqual([quiet.stdout, quiet.stderr, quiet.exitCode], ['', '', 0])
  })

  it('shows with --debug where an error came from', async () => {
    const {stderr} = await holdfast.run(['inspect', '127.0.0.1:1/x:v1', '--debug'])
    assert.match(stderr, /\n {4}at .*main\.cjs/)
    assert.match(stderr, /caused by /)
    assert.doesNotMatch((await holdfast.run(['inspect', '127.0.0.1:1/x:v1'])).stderr, / {4}at /)
  })

  it('has no colours in a pipe unless they are forced', async () => {
    const plain = await holdfast.run(['inspect', 'Ü'])
    assert.ok(!plain.stderr.includes('\u001b'), plain.stderr)
    const forced = await holdfast.run(['inspect', 'Ü'], {env: {FORCE_COLOR: '1'}})
    assert.ok(forced.stderr.startsWith('\u001b[31m'), JSON.stringify(forced.stderr))
  })

  it('ends in silence when nobody reads its output any more', async () => {
    const script = `set -o pipefail; "${process.execPath}" "${HOLDFAST_LAUNCHER}" completion fish | head -c 1; echo " \${PIPESTATUS[0]}"`
    const {stdout, stderr} = await run('bash', ['-c', script], {env: holdfast.env})
    assert.deepEqual([stdout, stderr], ['# 0\n', ''])
  })

  it('stops serving on SIGINT and on SIGTERM, and ends with 0', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const child = spawnChild(process.execPath, [HOLDFAST_LAUNCHER, 'serve', '--listen', '127.0.0.1:0'], {env: holdfast.env})
      const [url] = await once(child.stdout, 'data')
      assert.match(String(url), /^http:\/\/127\.0\.0\.1:\d+\n$/)
      child.kill(signal)
      assert.deepEqual(await once(child, 'exit'), [0, null])
    }
  })

  it('names the data directory that it cannot write to', async () => {
    const file = join(ROOT, 'package.json')
    const {envelope, exitCode} = await holdfast.json(['cached', '--data-dir', file])
    assert.equal(exitCode, 10)
    assert.ok(envelope.error?.message.includes(file), envelope.error?.message)
  })

  it('says what it needs when Node is too old and none was bundled', async function () {
    const old = await findOldNode()
    if (old === undefined) return this.skip()
    const alone = join(folder, 'alone')
    await mkdir(alone)
    await cp(join(ROOT, 'bin'), join(alone, 'bin'), {recursive: true})
    await cp(join(ROOT, 'package.json'), join(alone, 'package.json'))
    const text = await run(old, [join(alone, 'bin/run.js'), 'cached'])
    assert.deepEqual([text.exitCode, text.stdout, text.stderr.split('\n').length], [10, '', 2])
    assert.match(text.stderr, /needs Node >=24\.7\.0, and this is Node .* \(NODE_TOO_OLD\)/)
    const json = await run(old, [join(alone, 'bin/run.js'), 'cached', '--json'])
    assert.equal(JSON.parse(json.stdout).error.code, 'NODE_TOO_OLD')
  })

  it('says so too when the Node of the checkout is the one that is too old', async function () {
    const old = await findOldNode()
    if (old === undefined) return this.skip()
    const stale = join(folder, 'stale')
    const bundled = join(stale, BUNDLED_NODE)
    await mkdir(dirname(bundled), {recursive: true})
    await symlink(old, bundled)
    await cp(join(ROOT, 'bin'), join(stale, 'bin'), {recursive: true})
    await cp(join(ROOT, 'package.json'), join(stale, 'package.json'))
    const {exitCode, stderr} = await run(old, [join(stale, 'bin/run.js'), 'cached'])
    assert.equal(exitCode, 10)
    assert.match(stderr, /\(NODE_TOO_OLD\)/)
  })

  it('ends on the signals that the Node that was found gets, when it runs on that of the checkout', async function () {
    const old = await findOldNode()
    if (old === undefined) return this.skip()
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const child: ChildProcessWithoutNullStreams = spawnChild(old, [HOLDFAST_LAUNCHER, 'serve', '--listen', '127.0.0.1:0'], {
        env: holdfast.env,
      })
      await once(child.stdout, 'data')
      child.kill(signal)
      assert.deepEqual(await once(child, 'exit'), [0, null])
    }
  })

  it('runs on the Node of the checkout when the one that was found is too old', async function () {
    const old = await findOldNode()
    if (old === undefined) return this.skip()
    const {stdout, exitCode} = await run(old, [HOLDFAST_LAUNCHER, 'cached', '--json'], {env: holdfast.env})
    assert.deepEqual([JSON.parse(stdout).ok, exitCode], [true, 0])
    assert.equal((await run(old, [HOLDFAST_LAUNCHER, 'no-such-command'], {env: holdfast.env})).exitCode, 2)
  })
})
