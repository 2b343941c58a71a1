/**
 * The one way of outside text to a terminal, a log line or another program that prints it.
 *
 * Repository names, labels, messages of servers, login names, file names and variables are written by others. Raw, they could move the cursor, write to the
 * clipboard (OSC 52), forge a line, or reorder what is read. `TerminalText` is the type of what was escaped; printing takes nothing else.
 */

declare const escaped: unique symbol

/** One line that a terminal shows as it is: no control character, no line break, nothing invisible. Only this module makes it. */
export type TerminalText = string & {readonly [escaped]: true}

/** Nearly all that is printed; it needs no closer look. */
const PLAIN = /^[\x20-\x7e]*$/

/**
 * What is escaped: controls (C0, DEL, C1), line and paragraph separators, lone surrogates, bidi controls, annotations, and every code point that Unicode lets
 * a terminal hide (zero width, soft hyphen, fillers, tags, variation selectors).
 * What stays: the joiner and the variation selectors where they make one picture of emoji, since the picture shows that they are there.
 */
const HIDDEN =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb](?<!\p{Extended_Pictographic}\ufe0f?\p{Emoji_Modifier}?\u200d(?=\p{Extended_Pictographic}))(?<!\p{Extended_Pictographic}[\ufe0e\ufe0f])(?<![0-9#*]\ufe0f(?=\u20e3))/gu

/** Their names in JSON, as JSON.stringify writes them. */
const SHORT_ESCAPES: Readonly<Record<string, string>> = {'\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r'}

/**
 * Text as one line to be shown. What a terminal would obey or hide is written as JSON writes it (`\n`, `\u001b`, `\u202e`), never dropped; accents, all scripts and
 * emoji stay. Escaped text stays as it is, and escaped JSON is JSON of the same value. A backslash stays a backslash: `\n` may also be these two characters.
 */
export function escapeText(value: string): TerminalText {
  return (PLAIN.test(value) ? value : value.replace(HIDDEN, escapeCodePoint)) as TerminalText
}

/** Tag of a line to be shown, with everything in it escaped: text`app "${name}" runs ${image}`. */
export function text(literals: TemplateStringsArray, ...values: readonly (string | number)[]): TerminalText {
  return escapeText(literals.reduce((line, literal, position) => `${line}${values[position - 1]}${literal}`))
}

/** The lines of a text of several; only its own line breaks break it. */
export function escapeLines(block: string): readonly TerminalText[] {
  return block.replace(/\n$/, '').split('\n').map(escapeText)
}

/** Escaped texts with a space between them; unlike in a template, their colours stay. */
export function joinText(parts: readonly TerminalText[]): TerminalText {
  return parts.join(' ') as TerminalText
}

function escapeCodePoint(codePoint: string): string {
  return SHORT_ESCAPES[codePoint] ?? codePoint.split('').map(escapeUnit).join('')
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
