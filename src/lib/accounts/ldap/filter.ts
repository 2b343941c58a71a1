/**
 * A value inside a search filter means itself (RFC 4515 §3).
 * Only what has a meaning there is escaped: ldapts reads an escaped byte as a character of its own, and would not find `\c3\a9` as `é`.
 */
export function escapeFilterValue(value: string): string {
  return value.replaceAll(/[\\*()\0]/g, (character) => `\\${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
