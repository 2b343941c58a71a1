/** Authentication challenges: the grammar of `WWW-Authenticate` (RFC 9110 §11.6.1), for whoever answers one and whoever makes one. */

/** One challenge; scheme and parameter names are lower case, values are as sent. */
export interface Challenge {
  readonly scheme: string
  readonly token68?: string
  readonly parameters: Readonly<Record<string, string>>
}

/** A header longer than this is cut: no registry needs more, and parsing stays cheap. */
const MAX_HEADER_CHARACTERS = 16 * 1024
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y
const TOKEN68 = /[-A-Za-z0-9._~+/]+=*(?=[ \t]*(?:,|$))/y
const PARAMETER = /([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\[\s\S])*)"|([!#$%&'*+\-.^_`|~0-9A-Za-z:/]+))/y
const SPACE = /[ \t]*/y
const SEPARATORS = /[ \t,]*/y

/**
 * Parses a `WWW-Authenticate` header with any number of challenges, in order. It never throws: what does not follow the grammar ends the list, so that
 * the challenges before it can still be answered. A parameter that comes twice keeps its first value.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const scanner = new Scanner(header.slice(0, MAX_HEADER_CHARACTERS))
  const challenges: Challenge[] = []
  for (;;) {
    scanner.take(SEPARATORS)
    const scheme = scanner.take(TOKEN)?.[0]?.toLowerCase()
    if (scheme === undefined) return challenges
    const hadSpace = (scanner.take(SPACE)?.[0] ?? '') !== ''
    const parameters: Record<string, string> = Object.create(null)
    // `scheme a=b` is a parameter and `scheme a==` is a token68, so parameters are tried first.
    let parameter = hadSpace ? scanner.take(PARAMETER) : undefined
    const token68 = hadSpace && parameter === undefined ? scanner.take(TOKEN68)?.[0] : undefined
    while (parameter !== undefined) {
      const name = parameter[1]?.toLowerCase() ?? ''
      parameters[name] ??= parameter[2]?.replace(/\\([\s\S])/g, '$1') ?? parameter[3] ?? ''
      const mark = scanner.position
      scanner.take(SEPARATORS)
      parameter = scanner.take(PARAMETER)
      if (parameter === undefined) scanner.position = mark
    }
    challenges.push({scheme, ...(token68 === undefined ? {} : {token68}), parameters})
    scanner.take(SPACE)
    if (!scanner.atEnd() && !scanner.at(',')) return challenges
  }
}

class Scanner {
  readonly #text: string
  position = 0

  constructor(text: string) {
    this.#text = text
  }

  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.position
    const match = pattern.exec(this.#text) ?? undefined
    if (match !== undefined) this.position += match[0].length
    return match
  }

  at(character: string): boolean {
    return this.#text[this.position] === character
  }

  atEnd(): boolean {
    return this.position >= this.#text.length
  }
}
