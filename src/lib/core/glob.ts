/** Patterns as people write them: `*` for a part, `**` for anything. */

/**
 * The expression of a whole text.
 * @param boundary the characters that `*` stops at.
 */
export function globExpression(pattern: string, boundary: string): RegExp {
  const part = `[^${boundary.replaceAll(/[\\\]^-]/g, '\\$&')}]*`
  const source = pattern
    .split(/(\*+)/)
    .map((piece) => (piece === '*' ? part : /^\*+$/.test(piece) ? '.*' : piece.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')))
    .join('')
  return new RegExp(`^${source}$`, 's')
}
