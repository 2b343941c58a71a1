/** Documents of a collector as YAML. */
import type {CollectorDocument} from '../collector/document/document.ts'
import {HoldfastError} from '../core/errors.ts'

/** Aliases that expand to more than this are a bomb. */
const MAX_ALIASES = 100

/** @throws {HoldfastError} USAGE naming the line, or the property that has not the shape of a document. */
export async function parseDocument(yaml: string, file: string): Promise<CollectorDocument> {
  const [{parse, YAMLParseError}, {checkInput}, {DocumentShape}] = await Promise.all([
    import('yaml'),
    import('../collector/api/operation.ts'),
    import('../collector/document/document.ts'),
  ])
  let document: unknown
  try {
    document = parse(yaml, {maxAliasCount: MAX_ALIASES})
  } catch (cause) {
    const reason = cause instanceof YAMLParseError ? cause.message.split('\n')[0] : String(cause)
    throw new HoldfastError('USAGE', `cannot read "${file}": ${reason}`, {cause})
  }
  return checkInput({id: `apply ${file}`, input: DocumentShape}, document ?? {})
}

export async function formatYaml(value: object): Promise<string> {
  const {stringify} = await import('yaml')
  return stringify(value)
}
