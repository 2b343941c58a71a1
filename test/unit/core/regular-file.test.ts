import assert from 'node:assert/strict'
import {execFileSync} from 'node:child_process'
import {mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {openRegularFile, readRegularFile, unreadableFile} from '../../../src/lib/core/regular-file.ts'

describe('reading a regular file', () => {
  let directory: string
  const file = (name: string): string => join(directory, name)

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-regular-'))
    writeFileSync(file('five'), '12345')
    execFileSync('mkfifo', [file('pipe')])
    symlinkSync('/dev/zero', file('zero'))
    writeFileSync(file('sparse'), '')
    truncateSync(file('sparse'), 2 ** 40)
  })

  after(() => rmSync(directory, {recursive: true}))

  it('returns a file that has exactly as many bytes as it may, and refuses one byte more', async () => {
    assert.equal((await readRegularFile(file('five'), {maxBytes: 5})).toString(), '12345')
    await assert.rejects(readRegularFile(file('five'), {maxBytes: 4}), {
      code: 'CONFIGURATION',
      message: `cannot read "${file('five')}": it has more than 4 bytes`,
    })
  })

  it('refuses a file of a terabyte by its size', async () => {
    await assert.rejects(readRegularFile(file('sparse'), {maxBytes: 1024}), {code: 'CONFIGURATION', message: /more than 1024 bytes/})
  })

  it('reads a file of /proc, which says that it has no bytes, up to the same bound', async () => {
    assert.match((await readRegularFile('/proc/self/status', {maxBytes: 64 * 1024})).toString(), /^Pid:/m)
    await assert.rejects(readRegularFile('/proc/self/status', {maxBytes: 16}), {code: 'CONFIGURATION', message: /more than 16 bytes/})
  })

  it('refuses a named pipe that has no writer, a device and a directory, and waits for none of them', async () => {
    for (const [name, reason] of [
      ['pipe', 'it is not a regular file'],
      ['zero', 'it is not a regular file'],
      ['.', 'it is a directory'],
    ] as const) {
      const expected = {code: 'CONFIGURATION', message: `cannot read "${file(name)}": ${reason}`}
      await assert.rejects(readRegularFile(file(name), {maxBytes: 10}), expected)
      await assert.rejects(openRegularFile(file(name)), expected)
    }
  })

  it('passes the error of the system, and puts it into words where it is shown', async () => {
    const missing = file('missing')
    const error = await readRegularFile(missing, {maxBytes: 1}).catch((cause: unknown) => cause)
    assert.equal(Reflect.get(Object(error), 'code'), 'ENOENT')
    const shown = unreadableFile(missing, error)
    assert.equal(shown.code, 'CONFIGURATION')
    assert.equal(shown.message, `cannot read "${missing}": there is no such file`)
    assert.deepEqual(shown.hints, [`ls -l ${missing}`])
    assert.deepEqual(unreadableFile("/tmp/$(id) 'x'", new Error('no')).hints, ["ls -l '/tmp/$(id) '\\''x'\\'''"])
  })

  it('ends with the reason of its signal', async () => {
    await assert.rejects(readRegularFile(file('five'), {maxBytes: 5, signal: AbortSignal.abort(new Error('stopped'))}), {
      message: 'stopped',
    })
  })
})
