import assert from 'node:assert/strict'
import {PassThrough} from 'node:stream'
import {readInputFile, readInputText} from '../../../src/lib/cli/input-file.ts'

describe('what users name as an input', () => {
  it('is standard input for -, read to its end', async () => {
    const input = new PassThrough()
    const text = readInputText('-', new AbortController().signal, {input})
    input.write('a')
    input.end('b')
    assert.equal(await text, 'ab')
  })

  it('is let go of when the signal fires, however long standard input stays open', async () => {
    const input = new PassThrough()
    const stop = new AbortController()
    const text = readInputText('-', stop.signal, {input})
    input.write('a')
    const reason = new Error('stopped')
    stop.abort(reason)
    await assert.rejects(text, reason)
    assert.equal(input.destroyed, true)
  })

  it('is not read once the signal has fired, and the reason is that of the signal', async () => {
    const reason = new Error('stopped')
    await assert.rejects(readInputFile('/proc/self/status', AbortSignal.abort(reason)), reason)
  })
})
