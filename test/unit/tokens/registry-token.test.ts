import assert from 'node:assert/strict'
import {createHash, createHmac, createPrivateKey, createPublicKey, sign, X509Certificate} from 'node:crypto'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {libtrustKeyId, thumbprint} from '../../../src/lib/tokens/key-id.ts'
import {hashOpaqueToken, isOpaqueToken, makeOpaqueToken, matchesHash} from '../../../src/lib/tokens/opaque-token.ts'
import {createRegistryTokens, publicKeys, type TokenHeaderForm} from '../../../src/lib/tokens/registry-token.ts'
import {assertKeysLast, isRotationDue, type KeyRing, makeKeyRing, rotateKeys} from '../../../src/lib/tokens/signing-keys.ts'

const NOW = new Date('2026-11-21T12:00:00Z')
const DAY_MS = 24 * 60 * 60 * 1000
const ISSUER = 'holdfast'
const CLAIMS = {
  subject: 'ann',
  audience: 'lab',
  access: [{type: 'repository', name: 'base', actions: ['pull']}],
  lifeSeconds: 300,
}
const later = (ms: number): Date => new Date(NOW.getTime() + ms)
const isLab = (audience: string): boolean => audience === 'lab'
const decode = (part: string | undefined) => JSON.parse(Buffer.from(part ?? '', 'base64url').toString())
const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('registry tokens', () => {
  let ring: KeyRing

  before(async () => {
    ring = await makeKeyRing('Test', NOW)
  })

  const issue = (form: TokenHeaderForm = 'x5c', keys = ring): string => createRegistryTokens(keys, ISSUER).issue(CLAIMS, form, NOW).reveal()
  const verify = (token: string, at = NOW, keys = ring, audiences = isLab) =>
    createRegistryTokens(keys, ISSUER).verify(token, audiences, at)

  it('say who may do what where, and until when', () => {
    const [header, body] = issue()
      .split('.')
      .map((part, index) => (index < 2 ? decode(part) : part))
    assert.equal(header.alg, 'ES256')
    const seconds = NOW.getTime() / 1000
    assert.partialDeepStrictEqual(body, {
      iss: ISSUER,
      sub: 'ann',
      aud: 'lab',
      exp: seconds + 300,
      nbf: seconds - 10,
      iat: seconds,
      access: CLAIMS.access,
    })
    assert.match(body.jti, /^[0-9a-f-]{36}$/)
  })

  it('lead to their key in the form that the registry takes', () => {
    const {x5c} = decode(issue('x5c').split('.')[0])
    const leaf = new X509Certificate(Buffer.from(x5c[0], 'base64'))
    assert.ok(leaf.verify(new X509Certificate(ring.authority.certificate).publicKey), 'the leaf is not signed by the authority')
    assert.ok(!leaf.ca && new X509Certificate(ring.authority.certificate).ca)
    assert.equal(decode(issue('kid-libtrust').split('.')[0]).kid, libtrustKeyId(leaf.publicKey))
    assert.equal(decode(issue('kid-rfc7638').split('.')[0]).kid, thumbprint(leaf.publicKey))
  })

  it('are verified in each form, until they end, with some leeway for clocks', () => {
    for (const form of ['x5c', 'kid-libtrust', 'kid-rfc7638'] as const) {
      assert.deepEqual(verify(issue(form)), {subject: 'ann', audience: 'lab', access: CLAIMS.access})
    }
    assert.notEqual(verify(issue(), later(350_000)), 'time')
    assert.equal(verify(issue(), later(361_000)), 'time')
    assert.equal(verify(issue(), later(-71_000)), 'time')
  })

  it('open nothing elsewhere, under another issuer, or with another key', async () => {
    assert.equal(
      verify(issue(), NOW, ring, () => false),
      'audience',
    )
    assert.equal(createRegistryTokens(ring, 'other').verify(issue(), isLab, NOW), 'issuer')
    assert.equal(verify(issue('x5c', await makeKeyRing('Test', NOW))), 'unknown key')
  })

  it('cannot be made from what is public', () => {
    const [header = '', body = '', signature = ''] = issue().split('.')
    const {privateKey} = ring.active
    const certificate = new X509Certificate(ring.active.certificate)
    const publicPem = certificate.publicKey.export({type: 'spki', format: 'pem'})
    const forged = encode({...decode(body), sub: 'root'})
    const hmac = (head: string): string => createHmac('sha256', publicPem).update(`${head}.${body}`).digest('base64url')
    const [none, hs256] = [encode({typ: 'JWT', alg: 'none'}), encode({...decode(header), alg: 'HS256'})]
    const jwk = createPublicKey(createPrivateKey(privateKey)).export({format: 'jwk'})
    const own = encode({typ: 'JWT', alg: 'ES256', jwk, jku: 'https://evil.example.com/jwks', kid: '../../etc/passwd'})
    const selfSigned = sign('sha256', Buffer.from(`${own}.${body}`), {key: createPrivateKey(privateKey), dsaEncoding: 'ieee-p1363'})
    const wrong = {
      'other claims': `${header}.${forged}.${signature}`,
      'no signature': `${header}.${body}.`,
      'alg none': `${none}.${body}.`,
      'the public key as an HMAC secret': `${hs256}.${body}.${hmac(hs256)}`,
      'a key in the header': `${own}.${body}.${selfSigned.toString('base64url')}`,
      'a signature in DER': `${header}.${body}.${sign('sha256', Buffer.from(`${header}.${body}`), createPrivateKey(privateKey)).toString('base64url')}`,
      'two parts': `${header}.${body}`,
      nothing: '',
      'far too much': 'a'.repeat(100_000),
    }
    for (const [what, token] of Object.entries(wrong)) assert.equal(typeof verify(token), 'string', what)
  })
})

describe('the names of keys', () => {
  it('are those of libtrust and RFC 7638', async () => {
    const ring = await makeKeyRing('Test', NOW)
    const publicKey = createPublicKey(createPrivateKey(ring.active.privateKey))
    const libtrust = libtrustKeyId(publicKey)
    assert.match(libtrust, /^(?:[A-Z2-7]{4}:){11}[A-Z2-7]{4}$/)
    // Decoded again they are the first 240 bits of the hash.
    const bits = [...libtrust.replaceAll(':', '')]
      .map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0'))
      .join('')
    const hex = (bits.match(/.{4}/g) ?? []).map((nibble) => Number.parseInt(nibble, 2).toString(16)).join('')
    const hash = createHash('sha256')
      .update(publicKey.export({type: 'spki', format: 'der'}))
      .digest('hex')
    assert.equal(hex, hash.slice(0, 60))
    const {x, y} = publicKey.export({format: 'jwk'})
    const canonical = `{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`
    assert.equal(thumbprint(publicKey), createHash('sha256').update(canonical).digest('base64url'))
  })
})

describe('signing keys', () => {
  it('change without a registry being told, and old ones are known until their last token has ended', async () => {
    const first = await makeKeyRing('Test', NOW)
    const second = await rotateKeys(first, later(DAY_MS))
    assert.equal(second.authority, first.authority)
    const old = createRegistryTokens(first, ISSUER).issue(CLAIMS, 'x5c', later(DAY_MS)).reveal()
    const verify = (ring: KeyRing, at: Date) => createRegistryTokens(ring, ISSUER).verify(old, isLab, at)
    assert.equal(typeof verify(second, later(DAY_MS)), 'object')
    const third = await rotateKeys(second, later(2.5 * DAY_MS))
    assert.equal(verify(third, later(DAY_MS)), 'unknown key')
    assert.equal(publicKeys(third).keys.length, 4)
    assert.ok(!JSON.stringify(publicKeys(third)).includes('"d"'), 'a private key is published')
  })

  it('are due after half of their life, and raise an alarm a week before their end', async () => {
    const ring = await makeKeyRing('Test', NOW)
    assert.deepEqual([isRotationDue(ring, later(29 * DAY_MS)), isRotationDue(ring, later(31 * DAY_MS))], [false, true])
    assertKeysLast(ring, later(52 * DAY_MS))
    assert.throws(
      () => assertKeysLast(ring, later(54 * DAY_MS)),
      (error) => hasCode(error, 'CONFIGURATION'),
    )
  })
})

describe('opaque tokens', () => {
  it('are told apart by their form, stored as hashes, and compared whole', () => {
    const token = makeOpaqueToken('refresh').reveal()
    assert.match(token, /^hfr_/)
    assert.deepEqual(
      [isOpaqueToken('refresh', token), isOpaqueToken('session', token), isOpaqueToken('refresh', `${token}x`)],
      [true, false, false],
    )
    assert.notEqual(makeOpaqueToken('refresh').reveal(), token)
    const hash = hashOpaqueToken(token)
    assert.ok(!hash.includes(token.slice(4)))
    assert.deepEqual([matchesHash(token, hash), matchesHash(`${token.slice(0, -1)}_`, hash), matchesHash(token, '')], [true, false, false])
  })
})
