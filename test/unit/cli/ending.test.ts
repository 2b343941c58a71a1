import assert from 'node:assert/strict'
import {once} from 'node:events'
import {createInterface} from 'node:readline'
import {Context} from '../../../src/lib/cli/context.ts'
import {Output} from '../../../src/lib/cli/output.ts'
import {createTerminal} from '../../../src/lib/cli/terminal.ts'
import {spawnChild} from '../../support/child-process.ts'
import {run} from '../../support/run-program.ts'

const urlOf = (file: string): string => JSON.stringify(new URL(`../../../src/lib/cli/${file}.ts`, import.meta.url).href)
const node = (script: string): [string, string[]] => [process.execPath, ['--input-type=module', '-e', script]]

describe('a process whose command has ended', () => {
  it('is ended when something keeps it, with its exit code, and says what that is', async () => {
    const {exitCode, stderr} = await run(
      ...node(`import {endLingering} from ${urlOf('last-resort')}
        import {createServer} from 'node:net'
        createServer().listen(0, '127.0.0.1')
        process.exitCode = 7
        endLingering({lingerMs: 50})`),
    )
    assert.equal(exitCode, 7)
    assert.match(stderr, /^holdfast: the command has ended and something is still open \(.*TCPServerWrap.*\); please report it\n$/)
  })

  it('ends by itself, and at once, when nothing keeps it', async () => {
    const {exitCode, stderr} = await run(...node(`import {endLingering} from ${urlOf('last-resort')}; endLingering({lingerMs: 40_000})`))
    assert.deepEqual([exitCode, stderr], [0, ''])
  })
})

describe('a command that is told to end', () => {
  const start = async (stopMs: number) => {
    const script = `import {listenForSignals} from ${urlOf('interruption')}
      const {overdue, signal} = listenForSignals({stopMs: ${stopMs}})
      signal.addEventListener('abort', () => console.log('told'))
      overdue.catch((error) => { console.log(error.code); process.exit(3) })
      setInterval(() => {}, 1000)
      console.log('ready')`
    const child = spawnChild(...node(script), {stdio: ['ignore', 'pipe', 'inherit']})
    const lines = createInterface({input: child.stdout})[Symbol.asyncIterator]()
    assert.equal((await lines.next()).value, 'ready')
    return {child, lines}
  }

  it('is not waited for when it takes too long', async () => {
    const {child, lines} = await start(50)
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    assert.deepEqual([(await lines.next()).value, (await lines.next()).value], ['told', 'INTERRUPTED'])
    assert.deepEqual(await ended, [3, null])
  })

  it('is ended at once by a second signal', async () => {
    const {child, lines} = await start(60_000)
    const ended = once(child, 'exit')
    child.kill('SIGINT')
    assert.equal((await lines.next()).value, 'told')
    child.kill('SIGTERM')
    assert.deepEqual(await ended, [130, null])
  })
})

describe('the context of a command', () => {
  const open = (closeMs?: number): Context =>
    new Context({
      flags: {} as never,
      environment: {},
      output: new Output({terminal: createTerminal(process, {}), command: '', json: false, quiet: true, debug: false}),
      signal: new AbortController().signal,
      userAgent: 'test',
      ...(closeMs === undefined ? {} : {closeMs}),
    })

  it('closes everything that was opened, last first, though some of it fails to', async () => {
    const context = open()
    const closed: number[] = []
    for (const number of [1, 2, 3]) {
      context.defer(() => {
        closed.push(number)
        if (number === 2) throw new Error('cannot be closed')
      })
    }
    await assert.rejects(context.close(), /cannot be closed/)
    assert.deepEqual(closed, [3, 2, 1])
  })

  it('does not wait for what does not close', async () => {
    const context = open(50)
    context.defer(() => new Promise(() => {}))
    await context.close()
  })

  it('closes at once what was opened too late', async () => {
    const context = open()
    await context.close()
    const late = Promise.withResolvers<void>()
    context.defer(() => late.resolve())
    await late.promise
  })
})
