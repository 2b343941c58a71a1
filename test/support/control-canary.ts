/** Text as an attacker writes it, and the search for what of it came through. */

/** ESC, a write to the clipboard (OSC 52), line breaks, a tab, a backspace, the C1 introducers, DEL, bidi controls, and what has no width. */
export const CANARY =
  '\u001b[31m\u001b]52;c;Y2FuYXJ5\u0007\n\r\t\b\u009b2J\u009d\u0085\u007f\u202e\u2066\u200f\u061c\u200b\u200d\u2060\u2028\ufeff'

const FORBIDDEN =
  /[\p{Cc}\u00ad\u061c\u180e\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|(?<!\p{Extended_Pictographic}\ufe0f?\p{Emoji_Modifier}?)\u200d/gu

/** The code points that may not reach a terminal; line breaks are looked for like the others, so lines are given one by one. */
export function rawControls(line: string): readonly string[] {
  return (line.match(FORBIDDEN) ?? []).map((character) => `U+${character.codePointAt(0)?.toString(16)}`)
}
