import assert from 'node:assert/strict'
import {format, inspect} from 'node:util'
import {excerpt, redactUrl, shorten} from '../../../src/lib/core/redaction.ts'
import {Secret} from '../../../src/lib/core/secret.ts'

describe('a secret', () => {
  it('shows itself only when it is asked to', () => {
    const secret = new Secret('hunter2')
    const shown = [
      `${secret}`,
      JSON.stringify({secret}),
      inspect({deep: [secret]}, {depth: 9, showHidden: true}),
      format('%s %o %j', secret, secret, secret),
    ]
    for (const text of shown) assert.ok(!text.includes('hunter2') && text.includes('***'), text)
    assert.equal(secret.reveal(), 'hunter2')
  })
})

describe('a URL in a message', () => {
  it('has no user info, no fragment and no query values', () => {
    const url = new URL('https://user:pass@h.example:8443/a/b?X-Amz-Signature=s3cr3t&d=1&d=2#frag')
    assert.equal(redactUrl(url), 'https://h.example:8443/a/b?X-Amz-Signature=***&d=***')
  })
})

describe('what a server says', () => {
  it('is a sentence without line breaks, of bounded length, with the rest of it as it was said', () => {
    assert.equal(excerpt(' a\u001b[2Jb\r\n\tc '), 'a\u001b[2Jb c')
    assert.equal(excerpt('x'.repeat(50), 10), `${'x'.repeat(9)}…`)
  })

  it('is never cut within a character', () => {
    assert.equal(shorten('abc👩def', 5), 'abc…')
    assert.equal(shorten('abcde', 5), 'abcde')
  })
})
