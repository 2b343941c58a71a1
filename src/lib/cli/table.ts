/** Text in aligned columns. */
import {escapeText, type TerminalText} from '../core/terminal-text.ts'

const GAP = '  '

/** Lines of a table: a heading, then one line a row; the last column is not padded. Cells are data, and escaped here. */
export function formatTable(headings: readonly string[], rows: readonly (readonly string[])[]): readonly TerminalText[] {
  const lines = [headings, ...rows].map((line) => line.map(escapeText))
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines.map((line) =>
    escapeText(
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join(GAP)
        .trimEnd(),
    ),
  )
}
