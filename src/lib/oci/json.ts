/** JSON as manifests and configs hold it: UTF-8 without a byte order mark (RFC 8259 §8.1), and nested as documents are that were written for a purpose. */

/** Levels of objects and lists. Real manifests have fewer than ten; what is deeper exhausts the stack of some reader further on. */
const MAX_JSON_DEPTH = 1_000
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const

export type DecodedJson = {readonly value: unknown} | {readonly reason: string}

/** Decodes JSON; `reason` says in words what is wrong with it. */
export function decodeJson(bytes: Uint8Array): DecodedJson {
  if (BYTE_ORDER_MARK.every((byte, position) => bytes[position] === byte)) return {reason: 'it begins with a byte order mark'}
  if (isTooDeep(bytes)) return {reason: `its JSON is nested more than ${MAX_JSON_DEPTH} levels deep`}
  try {
    return {value: JSON.parse(new TextDecoder('utf-8', {fatal: true}).decode(bytes))}
  } catch {
    return {reason: 'it is not JSON'}
  }
}

/** Counts brackets outside strings; bytes of longer UTF-8 sequences are never ASCII. */
function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0
  let isString = false
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (isString) {
      if (byte === 0x5c) at++
      else if (byte === 0x22) isString = false
    } else if (byte === 0x22) isString = true
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > MAX_JSON_DEPTH) return true
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return false
}
