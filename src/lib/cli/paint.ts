/** Colours, loaded only where they show. */

export interface Paint {
  readonly error: (text: string) => string
  readonly warning: (text: string) => string
  readonly faint: (text: string) => string
}

/** Text as it is. */
export const PLAIN: Paint = {error: (text) => text, warning: (text) => text, faint: (text) => text}

/** The colours of messages; none where there is no terminal for them. */
export async function loadPaint(hasColour: boolean): Promise<Paint> {
  if (!hasColour) return PLAIN
  const {Chalk} = await import('chalk')
  const chalk = new Chalk({level: 1})
  return {error: (text) => chalk.red.bold(text), warning: (text) => chalk.yellow(text), faint: (text) => chalk.dim(text)}
}
