import assert from 'node:assert/strict'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {createIsolatedItems} from '../../../src/lib/credentials/keychain/isolated-items.ts'
import {ItemError, type ItemFailure} from '../../../src/lib/credentials/keychain/item-store.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

/** Answers with the name that it is asked for, in any order; hangs and dies on request. */
const PROGRAM = `
  require('node:readline').createInterface({input: process.stdin}).on('line', (line) => {
    const {id, name} = JSON.parse(line)
    if (name === 'hang') for (;;);
    if (name === 'die') process.exit(1)
    if (name === 'babble') console.log('Debugger attached.')
    const value = Buffer.from(name + ' of ' + process.pid).toString('base64')
    setTimeout(() => process.stdout.write(JSON.stringify({id, value}) + '\\n'), name === 'late' ? 100 : 0)
  })`
/** Long enough for Node to start on a busy machine. */
const TIMEOUT_MS = 2_000

describe('items of a keychain in a process of its own', () => {
  let directory: TemporaryDirectory
  let program: string

  before(async () => {
    directory = await createTemporaryDirectory('isolated-items')
    program = join(directory.path, 'keychain.cjs')
    await writeFile(program, PROGRAM)
  })
  after(() => directory.remove())

  const failsWith = (failure: ItemFailure) => (error: unknown) => error instanceof ItemError && error.failure === failure

  it('come from one process, each answer to its own question', async () => {
    const items = createIsolatedItems({file: program, environment: {}}, TIMEOUT_MS)
    const [late, early] = (await Promise.all([items.readItem('late'), items.readItem('early')])).map(String)
    assert.match(`${late}, ${early}`, /^late of (\d+), early of \1$/)
  })

  it('are given up, with the process, when it does not answer; the next question goes to a new process at once', async () => {
    const items = createIsolatedItems({file: program, environment: {}}, TIMEOUT_MS)
    const [, first] = String(await items.readItem('a')).split(' of ')
    await assert.rejects(items.readItem('hang'), failsWith('timeout'))
    const [name, second] = String(await items.readItem('b')).split(' of ')
    assert.equal(name, 'b')
    assert.notEqual(second, first)
    assert.throws(() => process.kill(Number(first), 0), {code: 'ESRCH'})
  })

  it('are unavailable when the process dies, writes something else than replies or is not there, and it may come back', async () => {
    const items = createIsolatedItems({file: program, environment: {}}, TIMEOUT_MS)
    await assert.rejects(items.readItem('die'), failsWith('unavailable'))
    await assert.rejects(items.readItem('babble'), failsWith('unavailable'))
    assert.match(String(await items.readItem('a')), /^a of/)
    await assert.rejects(
      createIsolatedItems({file: join(directory.path, 'missing.cjs'), environment: {}}, TIMEOUT_MS).readItem('a'),
      failsWith('unavailable'),
    )
  })
})
