import assert from 'node:assert/strict'
import {execFileSync} from 'node:child_process'
import fc from 'fast-check'
import {shellCommand, shellWord} from '../../../src/lib/core/shell.ts'

describe('a word for a shell', () => {
  it('is what it was when a shell has read it, whatever it is', () => {
    const words = fc.array(
      fc.string({unit: 'grapheme'}).filter((text) => !text.includes('\0') && text.isWellFormed()),
      {
        minLength: 20,
        maxLength: 20,
      },
    )
    fc.assert(
      fc.property(words, (values) => {
        const script = `printf '%s\\0' ${values.map(shellWord).join(' ')}`
        const read = execFileSync('/bin/sh', ['-c', script]).toString('utf8').split('\0').slice(0, -1)
        assert.deepEqual(read, values)
      }),
      {numRuns: 20},
    )
  })

  it('is quoted only where it must be', () => {
    for (const plain of ['a', 'h.example:5000/a/b:v1', 'a@sha256:0f', '/tmp/x', '--flag=1', 'oci:dir'])
      assert.equal(shellWord(plain), plain)
    for (const other of ['', 'a b', '~/x', '$(id)', 'a;b', '*', '#x', "it's"]) assert.notEqual(shellWord(other), other)
  })

  it('stands in a command, alone or in a list', () => {
    assert.equal(shellCommand`holdfast tag list ${'oci:a b'} --x`, "holdfast tag list 'oci:a b' --x")
    assert.equal(shellCommand`rm ${['a', "b'c"]}`, `rm a 'b'\\''c'`)
  })
})
