import assert from 'node:assert/strict'
import {firstCommonName} from '../../../../src/lib/accounts/ldap/distinguished-name.ts'
import {escapeFilterValue} from '../../../../src/lib/accounts/ldap/filter.ts'

describe('a name within a distinguished name', () => {
  for (const [dn, name] of [
    ['cn=ops,ou=groups,dc=example', 'ops'],
    ['CN=Docker Users,OU=Groups,DC=corp', 'Docker Users'],
    ['cn=Ops\\2C Team,dc=example', 'Ops, Team'],
    ['CN=Ops\\, Team,DC=corp', 'Ops, Team'],
    ['cn=a\\2Bb,dc=example', 'a+b'],
    ['cn=a\\+b,dc=example', 'a+b'],
    ['cn=C# \\22x\\22,dc=example', 'C# "x"'],
    ['cn=\\C3\\89quipe,dc=example', 'Équipe'],
    ['cn=Équipe,dc=example', 'Équipe'],
    ['cn=back\\5Cslash,dc=example', 'back\\slash'],
    ['cn=back\\\\slash,dc=example', 'back\\slash'],
    ['cn=ops+ou=x,dc=example', 'ops'],
    ['cn=ops', 'ops'],
    ['ou=ops,cn=groups,dc=example', undefined],
    ['cn=,dc=example', undefined],
    ['', undefined],
  ] as const) {
    it(`of ${JSON.stringify(dn)} is ${JSON.stringify(name)}`, () => assert.equal(firstCommonName(dn), name))
  }
})

describe('a value in a search filter', () => {
  for (const [value, escaped] of [
    ['dora', 'dora'],
    ['*)(uid=*', '\\2a\\29\\28uid=\\2a'],
    ['back\\slash', 'back\\5cslash'],
    ['nul\0', 'nul\\00'],
    ['josé 日本', 'josé 日本'],
  ] as const) {
    it(`${JSON.stringify(value)} is written ${JSON.stringify(escaped)}`, () => assert.equal(escapeFilterValue(value), escaped))
  }
})
