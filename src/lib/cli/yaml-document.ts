/** YAML documents that users name or write. */
import type {CollectorDocument} from '../collector/document/document.ts'
import {HoldfastError} from '../core/errors.ts'

/** Parsing takes seconds for so much, in which no signal is heard. The document of 10,000 users has less. */
export const MAX_YAML_BYTES = 1024 * 1024
/** Each one is looked for from the beginning of the document, and many of them expand to a bomb. */
const MAX_ALIASES = 100

/**
 * Parses one document of at most `MAX_YAML_BYTES`, in a time that grows with its size alone.
 * @param object what is read, as it is to stand in the message.
 * @throws {HoldfastError} USAGE naming the line.
 */
export async function parseYaml(yaml: string, object: string): Promise<unknown> {
  const {LineCounter, parseDocument: parseOne, visit, isScalar} = await import('yaml')
  const lines = new LineCounter()
  const refused = (reason: string, offset?: number, cause?: unknown): HoldfastError => {
    const {line = 1, col = 1} = offset === undefined ? {} : lines.linePos(offset)
    const place = offset === undefined ? '' : ` at line ${line}, column ${col}`
    return new HoldfastError('USAGE', `cannot read "${object}": ${reason}${place}`, {cause})
  }
  if (Buffer.byteLength(yaml) > MAX_YAML_BYTES) throw refused(`it has more than ${MAX_YAML_BYTES} bytes`)
  try {
    // The library compares each key with all others, and quotes the line of each error.
    const document = parseOne(yaml, {lineCounter: lines, uniqueKeys: false, prettyErrors: false, logLevel: 'silent'})
    const [error] = document.errors
    if (error !== undefined) throw refused(error.message, error.pos[0], error)
    let aliases = 0
    visit(document, {
      Map(_, {items}) {
        const keys = new Set<unknown>()
        for (const {key} of items) {
          if (!isScalar(key)) continue
          if (keys.has(key.value)) throw refused('Map keys must be unique', key.range?.[0])
          keys.add(key.value)
        }
      },
      Alias(_, {range}) {
        if (++aliases > MAX_ALIASES) throw refused(`it has more than ${MAX_ALIASES} aliases`, range?.[0])
      },
    })
    return document.toJS({maxAliasCount: MAX_ALIASES})
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    if (cause instanceof RangeError) throw refused('it is nested too deeply', undefined, cause)
    throw refused(cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause), undefined, cause)
  }
}

/** @throws {HoldfastError} USAGE naming the line, or the property that has not the shape of a document. */
export async function parseDocument(yaml: string, file: string): Promise<CollectorDocument> {
  const [{checkInput}, {DocumentShape}] = await Promise.all([
    import('../collector/api/operation.ts'),
    import('../collector/document/document.ts'),
  ])
  return checkInput({id: `apply ${file}`, input: DocumentShape}, (await parseYaml(yaml, file)) ?? {})
}

export async function formatYaml(value: object): Promise<string> {
  const {stringify} = await import('yaml')
  return stringify(value)
}
