import assert from 'node:assert/strict'
import fc from 'fast-check'
import {escapeLines, escapeText, text} from '../../../src/lib/core/terminal-text.ts'
import {CANARY, rawControls} from '../../support/control-canary.ts'

/** Characters of every kind, those that matter often. */
const unit = fc.oneof(
  fc.constantFrom(
    ...CANARY,
    '\u200d',
    '\ufe0f',
    '\u20e3',
    '👩',
    '💻',
    '❤',
    '🏽',
    '1',
    'a',
    '\\',
    'é',
    '\ud83d',
    '\udc69',
    '\ufe0e',
    '\u{e0101}',
    '©',
  ),
  fc.string({unit: 'binary', minLength: 1, maxLength: 1}),
)
const anything = fc.string({unit, maxLength: 12})

describe('text for a terminal', () => {
  it('has no character in it that a terminal obeys, reorders or hides', () => {
    fc.assert(
      fc.property(anything, (value) => {
        assert.deepEqual(rawControls(escapeText(value)), [])
        assert.ok(escapeText(value).isWellFormed())
      }),
      {numRuns: 2000},
    )
  })

  it('stays as it is when it is escaped again', () => {
    fc.assert(
      fc.property(anything, (value) => assert.equal(escapeText(escapeText(value)), escapeText(value))),
      {numRuns: 2000},
    )
  })

  it('is still JSON of the same value when it was JSON', () => {
    fc.assert(
      fc.property(fc.dictionary(anything, fc.array(anything)), (value) => {
        const plain = JSON.parse(JSON.stringify(value))
        assert.deepEqual(JSON.parse(escapeText(JSON.stringify(value))), plain)
      }),
    )
  })

  it('loses nothing: what was escaped can be read back', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const parsed: unknown = JSON.parse(`"${escapeText(value.replaceAll(/[\\"]/g, '\\$&'))}"`)
        assert.equal(parsed, value)
      }),
    )
  })

  for (const [kind, value, shown] of [
    ['an escape sequence', '\u001b[31mred', '\\u001b[31mred'],
    ['a write to the clipboard', '\u001b]52;c;ZXZpbA==\u0007', '\\u001b]52;c;ZXZpbA==\\u0007'],
    ['a one-byte control sequence introducer', '\u009b2J', '\\u009b2J'],
    ['line breaks and tabs', 'a\nb\rc\td', 'a\\nb\\rc\\td'],
    ['separators of lines and paragraphs', 'a\u2028b\u2029c\u0085d', 'a\\u2028b\\u2029c\\u0085d'],
    ['bidi controls', 'a\u202eb\u2066c\u200fd\u061ce', 'a\\u202eb\\u2066c\\u200fd\\u061ce'],
    ['what has no width', 'a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg', 'a\\u200bb\\u200cc\\u200dd\\u2060e\\ufefff\\u00adg'],
    ['tags, which hide ASCII', 'a\u{e0041}', 'a\\udb40\\udc41'],
    ['half a surrogate pair', 'a\ud83d', 'a\\ud83d'],
    ['a variation of a plain letter', 'a\ufe0f 1\ufe0f', 'a\\ufe0f 1\\ufe0f'],
  ] as const) {
    it(`shows ${kind} as escapes`, () => assert.equal(escapeText(value), shown))
  }

  for (const readable of [
    'café naïve Ünïcödé',
    'e\u0301',
    '日本語 中文 한국어',
    'עברית العربية',
    'हिन्दी ไทย',
    '👩‍💻 👩🏽‍💻 ❤️‍🔥 🏳️‍🌈 1️⃣ ☎︎ 🇩🇪',
    'C:\\new "x"',
    'a\u3000b\u00a0c',
  ]) {
    it(`leaves ${readable} readable`, () => assert.equal(escapeText(readable), readable))
  }

  it('escapes every value of a template, and its own words stay', () => {
    assert.equal(text`app "${'a\nb'}" has ${2} layers`, 'app "a\\nb" has 2 layers')
    assert.equal(text`${'x'}${'y'}`, 'xy')
    assert.equal(text`plain`, 'plain')
    assert.equal(text`${text`${'\u001b'}`} again`, '\\u001b again')
  })

  it('breaks a block at its own line breaks only', () => {
    assert.deepEqual(escapeLines('a\r\n\tb\n'), ['a\\r', '\\tb'])
    assert.deepEqual(escapeLines(''), [''])
  })
})
