import assert from 'node:assert/strict'
import {readSecret} from '../../../src/lib/cli/standard-input.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'

async function* input(...chunks: readonly (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield Buffer.from(chunk)
}
const read = async (...chunks: readonly (string | Buffer)[]): Promise<string> =>
  (await readSecret('--password-stdin', input(...chunks))).reveal()

describe('a secret on standard input', () => {
  it('has every line that comes, but not the line break at its end', async () => {
    const key = '{\n  "type": "service_account",\n  "private_key": "-----BEGIN…\\n"\n}'
    for (const end of ['', '\n', '\r\n']) assert.equal(await read(key.slice(0, 7), key.slice(7), end), key)
    assert.equal(await read('pw\n\n'), 'pw\n')
    assert.equal(await read(' pw \r\n'), ' pw ')
  })

  it('is refused when it is empty, not UTF-8 or endless', async () => {
    for (const chunks of [[], ['\n'], ['\r\n'], [Buffer.from([0xff])], [Buffer.alloc(70_000, 'x')]])
      await assert.rejects(read(...chunks), (error) => hasCode(error, 'USAGE'))
  })
})
