import assert from 'node:assert/strict'
import fc from 'fast-check'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {maskDistinctSecrets, maskSecrets, rememberSecrets} from '../../../src/lib/core/known-secrets.ts'
import {excerpt, redactText} from '../../../src/lib/core/redaction.ts'

const PASSWORD = 'canary/5f1c+"&%<é> \\x'
const PAIR = `alice:${PASSWORD}`

const escapedBytes = (text: string, isEscaped: (byte: number) => boolean): string =>
  [...Buffer.from(text)].map((byte) => (isEscaped(byte) ? `\\x${byte.toString(16).padStart(2, '0')}` : String.fromCharCode(byte))).join('')

/** How servers write what they were sent. */
const ENCODINGS: Readonly<Record<string, (text: string) => string>> = {
  'as it is': (text) => text,
  'percent-encoded': encodeURIComponent,
  'percent-encoded in lower case': (text) => encodeURIComponent(text).replace(/%../g, (code) => code.toLowerCase()),
  'percent-encoded twice': (text) => encodeURIComponent(encodeURIComponent(text)),
  'as a form': (text) => new URLSearchParams({p: text}).toString().slice(2),
  'in JSON': (text) => JSON.stringify(text).slice(1, -1),
  'in JSON within JSON': (text) => JSON.stringify(JSON.stringify(text)).slice(3, -3),
  'in JSON of ASCII alone': (text) =>
    JSON.stringify(text)
      .slice(1, -1)
      .replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  "as Go's JSON has it": (text) =>
    JSON.stringify(text).slice(1, -1).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e').replaceAll('&', '\\u0026'),
  'in hex': (text) => Buffer.from(text).toString('hex'),
  'in hex of capitals': (text) => Buffer.from(text).toString('hex').toUpperCase(),
  'as a dump': (text) => [...Buffer.from(text)].map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
  'as \\xNN for what is not ASCII': (text) => escapedBytes(text, (byte) => byte > 0x7e),
  'as \\xNN altogether': (text) => escapedBytes(text, () => true),
  'as octal escapes': (text) =>
    [...Buffer.from(text)].map((byte) => (byte > 0x7e ? `\\${byte.toString(8)}` : String.fromCharCode(byte))).join(''),
  'as \\u{…}': (text) => [...text].map((one) => (/[ -~]/.test(one) ? one : `\\u{${one.codePointAt(0)?.toString(16)}}`)).join(''),
  'as UTF-8 that was read as Latin-1': (text) => Buffer.from(text).toString('latin1'),
  'as UTF-8 that was read as Windows-1252': (text) => new TextDecoder('windows-1252').decode(Buffer.from(text)),
  'as UTF-8 that was read as Latin-1, in JSON of ASCII alone': (text) =>
    [...Buffer.from(text)].map((byte) => (byte > 0x7e ? `\\u00${byte.toString(16)}` : String.fromCharCode(byte))).join(''),
  'percent-encoded altogether': (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  'in HTML': (text) => text.replace(/[&<>"]/g, (one) => ({'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;'})[one] ?? one),
}

describe('known secrets', () => {
  before(() => rememberSecrets(PASSWORD, PAIR))

  for (const [how, encode] of Object.entries(ENCODINGS)) {
    it(`are masked ${how}`, () => {
      for (const secret of [PASSWORD, PAIR]) assert.equal(maskSecrets(`(${encode(secret)})`), '(***)', encode(secret))
    })
  }

  it('are masked in base64, with and without padding, and as in URLs', () => {
    for (const secret of [PASSWORD, PAIR])
      for (const encoding of ['base64', 'base64url'] as const) {
        const encoded = Buffer.from(secret).toString(encoding)
        assert.equal(maskSecrets(`Basic ${encoded}, ${encoded.replace(/=+$/, '')}.`).replaceAll('.', ''), 'Basic ***, ***')
      }
  })

  it('are masked whatever they are, in any of these encodings', () => {
    const secrets = fc.string({unit: 'grapheme', minLength: 8, maxLength: 40}).filter((text) => /[^a-z]/.test(text) && text.isWellFormed())
    fc.assert(
      fc.property(secrets, fc.constantFrom(...Object.values(ENCODINGS)), (secret, encode) => {
        rememberSecrets(secret)
        assert.ok(!maskSecrets(`<<${encode(secret)}>>`).includes(encode(secret)))
      }),
    )
  })

  it('are masked also where only their beginning came', () => {
    const token = `eyJhbGciOiJFUzI1NiJ9.${'q'.repeat(300)}.${'z'.repeat(80)}`
    rememberSecrets(token)
    assert.equal(maskSecrets(`«${token.slice(0, 40)}…»`), '«***…»')
    assert.equal(maskSecrets(`claims ${'q'.repeat(300)}`), 'claims ***')
    assert.equal(excerpt(`${'x'.repeat(280)} ${token}`).includes('eyJ'), false)
  })

  it('that are ordinary words are masked as words of servers, and left alone in ours', () => {
    rememberSecrets('registry', 'pw1')
    assert.equal(maskSecrets('the registry (pw1) has registrys and pw12'), 'the *** (***) has registrys and pw12')
    assert.equal(maskDistinctSecrets('holdfast registry check pw1'), 'holdfast registry check pw1')
  })

  it('that are shorter than three characters are no secrets', () => {
    rememberSecrets('ab', '')
    assert.equal(maskSecrets('ab'), 'ab')
  })

  it('are in no error: neither in its message, nor its hints, its details, its stack', () => {
    const error = new HoldfastError('DENIED', `cannot read "x": it said ${PASSWORD}`, {
      hints: [`curl ${PASSWORD}`],
      details: {list: [{said: Buffer.from(PAIR).toString('base64')}], status: 403},
    })
    const shown = [error.message, error.stack, ...error.hints, JSON.stringify(error.details)].join('\n')
    assert.ok(!shown.includes('canary') && !shown.includes(Buffer.from(PAIR).toString('base64').slice(0, 20)), shown)
    assert.deepEqual(error.details, {list: [{said: '***'}], status: 403})
  })
})

describe('a URL within a text', () => {
  it('loses the values of its query and its user info, and nothing else', () => {
    assert.equal(
      redactText('cannot GET "https://u:p@h.example/a?X-Amz-Signature=abc&b=2": see http://x/, (https://y/z) and https://h/r@sha256:ab'),
      'cannot GET "https://h.example/a?X-Amz-Signature=***&b=***": see http://x/, (https://y/z) and https://h/r@sha256:ab',
    )
  })
})
