/** Names within distinguished names (RFC 4514). */

const FIRST_CN = /^cn=((?:\\.|[^,\\+])+)/is
/** Neighbouring pairs of hex digits are the bytes of UTF-8; any other escaped character stands for itself (§2.4). */
const ESCAPED = /(?:\\[0-9a-f]{2})+|\\(.)/gis

/** `ops` of `cn=ops,ou=groups,dc=example`, as it is written there; undefined when the name begins with another attribute. */
export function firstCommonName(dn: string): string | undefined {
  return FIRST_CN.exec(dn)?.[1]?.replaceAll(ESCAPED, (pairs: string, character: string | undefined) =>
    character === undefined ? Buffer.from(pairs.replaceAll('\\', ''), 'hex').toString() : character,
  )
}
