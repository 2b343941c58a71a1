/** Colours, loaded only where they show. What is painted was escaped before: the colours are the only controls that a terminal is sent. */
import type {TerminalText} from '../core/terminal-text.ts'

export interface Paint {
  readonly error: (text: TerminalText) => TerminalText
  readonly faint: (text: TerminalText) => TerminalText
}

/** Text as it is. */
export const PLAIN: Paint = {error: (text) => text, faint: (text) => text}

/** The colours of messages; none where there is no terminal for them. */
export async function loadPaint(hasColour: boolean): Promise<Paint> {
  if (!hasColour) return PLAIN
  const {Chalk} = await import('chalk')
  const chalk = new Chalk({level: 1})
  const paint = (style: (text: string) => string) => (text: TerminalText) => style(text) as TerminalText
  return {error: paint(chalk.red.bold), faint: paint(chalk.dim)}
}
