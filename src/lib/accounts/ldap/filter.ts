/** A value inside a search filter means itself (RFC 4515 §3). */
export function escapeFilterValue(value: string): string {
  return value.replaceAll(/[\\*()\0]|[^\x20-\x7e]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join(''),
  )
}
