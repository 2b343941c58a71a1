/** What becomes of the program's output: on full disks, in pipes that close or are slow, and when something fails that no code caught. */
import assert from 'node:assert/strict'
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {existsSync} from 'node:fs'
import {appendFile, cp, mkdir, open, readFile, symlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {type Answer, reply, startScriptedRegistry} from '../integration/remote/scripted-registry.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, HOLDFAST_LAUNCHER, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer, type SampleImage} from '../support/images.ts'
import {type ProgramResult, run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ROOT = join(import.meta.dirname, '../..')
const FULL_DISK = '/dev/full'
/** Minified lines are far longer than any message. */
const MAX_ERROR_CHARACTERS = 600

type Where = 'pipe' | 'full' | 'closed'

describe('the output of the program', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'one')])
  let folder: string
  let holdfast: Holdfast
  /** `shop/web`, whose manifest is long. */
  let reference: string

  before(async () => {
    const temporary = await createTemporaryDirectory('output')
    afterwards(temporary.remove)
    folder = temporary.path
    holdfast = await createHoldfast(folder)
    const manifest = longManifest(image)
    const registry = await startScriptedRegistry((seen, response) => {
      const blob = image.blobs.find(({digest}) => seen.url.endsWith(digest))
      if (blob !== undefined) reply(response, 200, {}, Buffer.from(blob.bytes))
      else reply(response, 200, {'content-type': image.mediaType}, manifest)
    })
    afterwards(registry.close)
    reference = `${registry.host}/shop/web:v1`
  })

  /** Runs `holdfast` with its outputs on a full disk, or in pipes that nobody reads any more. */
  async function runInto(
    args: readonly string[],
    {stdout = 'pipe', stderr = 'pipe'}: {stdout?: Where; stderr?: Where},
  ): Promise<ProgramResult> {
    const full = await open(FULL_DISK, 'w')
    try {
      const at = (where: Where) => (where === 'full' ? full.fd : 'pipe')
      const child: ChildProcess = spawn(process.execPath, [HOLDFAST_LAUNCHER, ...args], {
        env: holdfast.env,
        stdio: ['ignore', at(stdout), at(stderr)],
      })
      const said = {stdout: '', stderr: ''}
      for (const [name, where] of Object.entries({stdout, stderr}) as ['stdout' | 'stderr', Where][]) {
        if (where === 'closed') child[name]?.destroy()
        else child[name]?.setEncoding('utf8').on('data', (text: string) => (said[name] += text))
      }
      const [exitCode, signal] = await once(child, 'close')
      return {...said, exitCode, signal}
    } finally {
      await full.close()
    }
  }

  const printing: readonly (readonly [string, () => readonly string[]])[] = [
    ['a table', () => ['inspect', reference]],
    ['an envelope', () => ['cached', '--json']],
    ['bytes as they are', () => ['inspect', reference, '--raw']],
    ['a document', () => ['export']],
    ['a script', () => ['completion', 'bash']],
    ['help', () => ['--help']],
    ['the help of a command', () => ['cached', '--help']],
    ['the version', () => ['--version']],
    ['the version, asked for with more', () => ['--version', '--quiet']],
  ]

  describe('on a full disk', () => {
    before(function () {
      if (!existsSync(FULL_DISK)) this.skip()
    })

    for (const [what, args] of printing)
      it(`that does not take ${what} is told of in one line, with 10`, async () => {
        const {exitCode, stderr} = await runInto(args(), {stdout: 'full'})
        assert.match(stderr, /^Error: cannot write "standard output": no space left on device.* \(STORAGE\)\nTry:\n {2}df -h \.\n$/)
        assert.equal(exitCode, 10)
      })

    it('that does not take the envelope of an error lets the error be read on standard error, and its exit code stands', async () => {
      const {exitCode, stderr} = await runInto(['inspect', 'Ü', '--json'], {stdout: 'full'})
      assert.match(stderr, /\(INVALID_REFERENCE\)/)
      assert.match(stderr, /\(STORAGE\)/)
      assert.doesNotMatch(stderr, /is done/)
      assert.equal(exitCode, 2)
    })

    it('shows with --debug where the failure came from, and not otherwise', async () => {
      const {stderr} = await runInto(['completion', 'bash', '--debug'], {stdout: 'full'})
      assert.match(stderr, /\(STORAGE\)\n(?:.*\n)+ {4}at /)
    })

    it('that takes no notes changes nothing of the result', async () => {
      const {exitCode, stdout} = await runInto(['cached', '--json', '--debug'], {stderr: 'full'})
      assert.deepEqual([exitCode, JSON.parse(stdout).ok], [0, true])
      assert.deepEqual((await runInto(['cached'], {stderr: 'full'})).exitCode, 0)
      assert.deepEqual((await runInto(['inspect', 'Ü'], {stderr: 'full'})).exitCode, 2)
    })
  })

  describe('in a pipe', () => {
    for (const [what, args] of printing)
      it(`that nobody reads ends ${what} in silence`, async () => {
        const {exitCode, stderr} = await runInto(args(), {stdout: 'closed'})
        assert.deepEqual([exitCode, stderr], [0, ''])
      })

    it('that nobody reads lets errors be read on standard error', async () => {
      const {exitCode, stderr} = await runInto(['inspect', 'Ü', '--json'], {stdout: 'closed'})
      assert.match(stderr, /\(INVALID_REFERENCE\)/)
      assert.doesNotMatch(stderr, /STORAGE/)
      assert.equal(exitCode, 2)
    })

    it('that takes no notes changes nothing of the result', async () => {
      const {exitCode, stdout} = await runInto(['cached', '--json', '--debug'], {stderr: 'closed'})
      assert.deepEqual([exitCode, JSON.parse(stdout).ok], [0, true])
    })

    it('of which one line is read ends in silence, with much left to be said', async () => {
      for (const args of [`inspect ${reference} --raw`, `inspect ${reference} --json`, 'completion bash']) {
        const script = `"${process.execPath}" "${HOLDFAST_LAUNCHER}" ${args} | head -c 1 > /dev/null; echo "\${PIPESTATUS[0]}"`
        const {stdout, stderr} = await run('bash', ['-c', script], {env: holdfast.env})
        assert.deepEqual([stdout, stderr], ['0\n', ''], args)
      }
    })

    it('that is read late gets all of it', async () => {
      const whole = (await holdfast.run(['inspect', reference, '--raw'])).stdout
      assert.ok(whole.length > 300_000, String(whole.length))
      // A pipe takes 64 KiB: what is more waits for its reader.
      const script = `"${process.execPath}" "${HOLDFAST_LAUNCHER}" inspect ${reference} --raw | (sleep 1; cat)`
      const late = await run('bash', ['-c', script], {env: holdfast.env})
      assert.equal(late.stdout, whole)
      const {stdout} = await holdfast.json(['inspect', reference, '--raw'])
      const json = await run('bash', ['-c', `${script.replace('--raw', '--raw --json')}`], {env: holdfast.env})
      assert.equal(json.stdout, stdout)
    })
  })

  describe('when a registry fails on the second page of its tags', () => {
    const names = Array.from({length: 20}, (_, index) => `v${index}`)
    let repository: string

    before(async () => {
      const answer: Answer = (seen, response) => {
        // The tags of the first page are looked up meanwhile, and nothing comes of it.
        if (seen.url.includes('/manifests/')) return void response.destroy()
        if (!seen.url.includes('last='))
          return reply(response, 200, {link: `</v2/shop/web/tags/list?last=v9&n=20>; rel="next"`}, {name: 'shop/web', tags: names})
        setTimeout(() => reply(response, 403, {}, {errors: [{code: 'DENIED', message: 'no more of it'}]}), 200)
      }
      const registry = await startScriptedRegistry(answer)
      afterwards(registry.close)
      repository = `${registry.host}/shop/web`
    })

    it('tells it as any other error', async () => {
      const {exitCode, stdout, stderr} = await holdfast.run(['tag', 'list', repository])
      assert.equal(exitCode, 4, stderr)
      assert.match(stderr, /^Error: cannot list tags of .* \(UNAUTHENTICATED\)\n/)
      assert.ok(stderr.length < MAX_ERROR_CHARACTERS, stderr)
      assert.equal(stdout, '')
    })

    it('has one envelope on standard output with --json', async () => {
      const {exitCode, envelope, stderr} = await holdfast.json(['tag', 'list', repository])
      assert.deepEqual([exitCode, envelope.ok, envelope.error?.code, stderr], [4, false, 'UNAUTHENTICATED', ''])
    })
  })

  describe('when something fails that no code caught', () => {
    const commandLine = {
      early: () => ['inspect', reference],
      late: () => ['serve', '--listen', '127.0.0.1:0', '--quiet'],
      afterwards: () => ['cached', '--quiet'],
    }
    /** When it fails: before the command has answered, right after that, or when all is over. */
    const MOMENTS = {
      early: (failure: string) => `process.on('newListener', (event) => { if (event === 'SIGTERM') setImmediate(() => { ${failure} }) })`,
      late: (failure: string) => `const {write} = process.stdout
process.stdout.write = function (...args) { setImmediate(() => { ${failure} }); return write.apply(this, args) }`,
      afterwards: (failure: string) => `process.once('beforeExit', () => { ${failure} })`,
    }
    const FAILURES = {
      'a rejection': `Promise.reject(new Error('left alone'))`,
      'an exception': `throw new Error('left alone')`,
    }

    /** Something that is loaded before the program, and fails in it. */
    async function trap(moment: keyof typeof MOMENTS, failure: keyof typeof FAILURES): Promise<NodeJS.ProcessEnv> {
      const file = join(folder, `${moment}-${failure.replaceAll(' ', '-')}.cjs`)
      await writeFile(file, MOMENTS[moment](FAILURES[failure]))
      return {NODE_OPTIONS: `--require ${file}`}
    }

    for (const failure of ['a rejection', 'an exception'] as const)
      for (const moment of ['early', 'late', 'afterwards'] as const) {
        it(`${failure} is an error like others, ${moment}`, async () => {
          const {exitCode, stderr} = await holdfast.run(commandLine[moment](), {env: await trap(moment, failure)})
          assert.equal(
            stderr,
            'Error: cannot go on: left alone (INTERNAL)\nTry:\n  run the same command with --debug and report what it prints\n',
          )
          assert.equal(exitCode, 1)
        })

        it(`${failure} leaves one envelope on standard output, ${moment}`, async () => {
          const {exitCode, envelope} = await holdfast.json(commandLine[moment](), {env: await trap(moment, failure)})
          assert.deepEqual(
            [exitCode, envelope.command, envelope.error?.code],
            [1, commandLine[moment]()[0], moment === 'early' ? 'INTERNAL' : undefined],
          )
        })
      }

    it('its stack is shown with --debug', async () => {
      const {stderr} = await holdfast.run([...commandLine.early(), '--debug'], {env: await trap('early', 'a rejection')})
      assert.match(stderr, /^Error: cannot go on: left alone \(INTERNAL\)\n/m)
      assert.match(stderr, /\n {4}at /)
    })
  })

  describe('when the installation is damaged', () => {
    let launcher: string
    let helper: string

    before(async () => {
      const copy = join(folder, 'copy')
      await mkdir(join(copy, 'dist'), {recursive: true})
      for (const name of ['bin', 'package.json', 'oclif.manifest.json']) await cp(join(ROOT, name), join(copy, name), {recursive: true})
      await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
      launcher = join(copy, 'bin/run.js')
      helper = join(copy, 'bin/docker-credential-holdfast.js')
    })

    async function damage(text: string | undefined): Promise<void> {
      for (const name of ['main.cjs', 'docker-credential.cjs']) {
        const file = join(folder, 'copy/dist', name)
        if (text === undefined) await writeFile(file, '')
        else await writeFile(file, `${await readFile(join(ROOT, 'dist', name), 'utf8')}`)
        if (text !== undefined) await appendFile(file, text)
      }
    }

    for (const [name, text] of [
      ['is empty', undefined],
      ['throws', `\n;throw new Error('thrown while it was loaded')\n`],
      ['is no JavaScript', `\n;this is no program ${'x'.repeat(5000)}\n`],
    ] as const)
      it(`says so in one line when a bundle ${name}`, async () => {
        await damage(text)
        for (const program of [launcher, helper]) {
          const {exitCode, stdout, stderr} = await run(process.execPath, [program, 'list'], {env: holdfast.env})
          assert.match(stderr, /^Error: cannot start "[^"]+": [^\n]+ \(CONFIGURATION\); [^\n]+\n$/)
          assert.ok(stderr.length < MAX_ERROR_CHARACTERS, stderr)
          assert.deepEqual([exitCode, stdout], [10, ''])
        }
        const json = await run(process.execPath, [launcher, 'cached', '--json'], {env: holdfast.env})
        assert.deepEqual([json.exitCode, JSON.parse(json.stdout).error.code, json.stderr], [10, 'CONFIGURATION', ''])
      })
  })

  describe('of the credential helper', () => {
    it('that cannot be written is told of in one line', async function () {
      if (!existsSync(FULL_DISK)) return this.skip()
      const helper = join(ROOT, 'bin/docker-credential-holdfast.js')
      const script = `"${process.execPath}" "${helper}" list > ${FULL_DISK}`
      const {exitCode, stderr} = await run('bash', ['-c', script], {env: holdfast.env})
      assert.match(stderr, /^Error: cannot write "standard output": no space left on device \(STORAGE\)\n/)
      assert.equal(exitCode, 10)
    })
  })
})

/** More than a pipe takes at once. */
function longManifest({bytes}: SampleImage): Buffer {
  const annotations = Object.fromEntries(Array.from({length: 4000}, (_, index) => [`example.com/${index}`, 'x'.repeat(80)]))
  return Buffer.from(JSON.stringify({...JSON.parse(Buffer.from(bytes).toString()), annotations}))
}
