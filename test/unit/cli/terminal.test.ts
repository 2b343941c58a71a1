import assert from 'node:assert/strict'
import {ReadStream, WriteStream} from 'node:tty'
import {loadPaint} from '../../../src/lib/cli/paint.ts'
import {createPrompts} from '../../../src/lib/cli/prompts.ts'
import {createTerminal} from '../../../src/lib/cli/terminal.ts'
import {text} from '../../../src/lib/core/terminal-text.ts'

/** Streams that say of themselves whether they are terminals, which is all that is asked of them. */
function streams(isTTY: boolean) {
  const input: NodeJS.ReadStream & {fd: 0} = Object.assign(Object.create(ReadStream.prototype), {isTTY})
  const output = (): NodeJS.WriteStream => Object.assign(Object.create(WriteStream.prototype), {isTTY})
  return {stdin: input, stdout: Object.assign(output(), {fd: 1 as const}), stderr: Object.assign(output(), {fd: 2 as const})}
}

describe('the terminal', () => {
  it('is one somebody sits at, unless it is in CI or a pipe', () => {
    assert.equal(createTerminal(streams(true), {}).isInteractive, true)
    assert.equal(createTerminal(streams(true), {CI: 'true'}).isInteractive, false)
    assert.equal(createTerminal(streams(true), {CI: 'false'}).isInteractive, true)
    assert.equal(createTerminal(streams(false), {}).isInteractive, false)
    assert.equal(createTerminal({...streams(true), stdin: streams(false).stdin}, {}).isInteractive, false)
  })

  it('has colours where it is one, unless NO_COLOR or FORCE_COLOR say otherwise', () => {
    assert.equal(createTerminal(streams(true), {}).hasColour, true)
    assert.equal(createTerminal(streams(true), {NO_COLOR: '1'}).hasColour, false)
    assert.equal(createTerminal(streams(true), {TERM: 'dumb'}).hasColour, false)
    assert.equal(createTerminal(streams(false), {}).hasColour, false)
    assert.equal(createTerminal(streams(false), {FORCE_COLOR: '1'}).hasColour, true)
    assert.equal(createTerminal(streams(true), {FORCE_COLOR: '0'}).hasColour, false)
  })

  it('is painted with escapes or not at all', async () => {
    assert.equal((await loadPaint(true)).error(text`x`), '\u001b[31m\u001b[1mx\u001b[22m\u001b[39m')
    assert.equal((await loadPaint(false)).error(text`x`), 'x')
  })

  it('cannot be asked where nobody sits: the flag that answers is named', async () => {
    const prompts = createPrompts({isInteractive: false, stderr: process.stderr})
    await assert.rejects(prompts.confirm({message: text`Remove it?`, flag: '--yes'}), {code: 'INPUT_REQUIRED', hints: ['--yes']})
    await assert.rejects(prompts.input({message: text`Name`, flag: 'NAME'}), {code: 'INPUT_REQUIRED'})
    await assert.rejects(prompts.select({message: text`Which`, flag: 'NAME', choices: []}), {code: 'INPUT_REQUIRED'})
  })
})
