/** Text as an attacker writes it, and the search for what of it came through. */
import assert from 'node:assert/strict'

/** Begins a line that is not ours where a line break comes through. */
const FORGED = 'forged-line'

/** What no name, no header and no file name can hold. */
const LINE_BREAKS = `\n${FORGED}\r${FORGED}\u0085${FORGED}\u2028${FORGED}`

/** ESC, a write to the clipboard (OSC 52), a backspace, the C1 introducers, DEL, bidi controls, and what has no width. */
export const ONE_LINE_CANARY =
  '\u001b[31m\u001b]52;c;Y2FuYXJ5\u0007\t\b\u009b2J\u009d\u007f\u202e\u2066\u200f\u061c\u200b\u200d\u2060\u00ad\ufeff\u{e0041}'

export const CANARY = `${ONE_LINE_CANARY}${LINE_BREAKS}`

const FORBIDDEN =
  /[\p{Cc}\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|(?<!\p{Extended_Pictographic}\ufe0f?\p{Emoji_Modifier}?)\u200d/gu

/** The code points of one line that may not reach a terminal. */
export function rawControls(line: string): readonly string[] {
  return (line.match(FORBIDDEN) ?? []).map((character) => `U+${character.codePointAt(0)?.toString(16)}`)
}

/** Fails when a line of `output` holds a raw control, or is one that the canary began. */
export function assertNothingRaw(output: string, what: string): void {
  for (const line of output.split('\n')) {
    assert.deepEqual(rawControls(line), [], `${what}: ${JSON.stringify(line)}`)
    assert.ok(!line.startsWith(FORGED), `${what} forged a line: ${JSON.stringify(line)}`)
  }
}

/** Fails unless some of the canary is there as escapes: what shows nothing proves nothing. */
export function assertShown(output: string, what: string): void {
  assert.match(output, /\\u(?:001b|009b|202e)/, `${what} shows none of the canary: ${output}`)
}
