import assert from 'node:assert/strict'
import {createHash} from 'node:crypto'
import fc from 'fast-check'
import {createDigestHash, digestAlgorithm, digestHex, digestOf, finishDigest, isDigest, parseDigest} from '../../../src/lib/oci/digest.ts'

const HEX = 'a'.repeat(64)

describe('parseDigest', () => {
  for (const text of [`sha256:${HEX}`, `sha512:${HEX}${HEX}`]) {
    it(`reads ${text.slice(0, 10)}…`, () => assert.equal(parseDigest(text), text))
  }

  const REFUSED = {
    empty: '',
    'no algorithm': HEX,
    'no hex': 'sha256:',
    'too short': `sha256:${HEX.slice(1)}`,
    'too long': `sha256:${HEX}a`,
    'the length of another algorithm': `sha512:${HEX}`,
    'upper-case hex': `sha256:${HEX.toUpperCase()}`,
    'no hex digits': `sha256:${'g'.repeat(64)}`,
    'an upper-case algorithm': `SHA256:${HEX}`,
    'an algorithm that is not registered': `md5:${'a'.repeat(32)}`,
    'the name of a property of every object': `constructor:${HEX}`,
    'a path (CVE-2024-3727)': 'sha256:../../../../etc/passwd',
    'a path of the right length': `sha256:${'../'.repeat(21)}a`,
    'a second line': `sha256:${HEX}\n`,
    'a line before': `x\nsha256:${HEX}`,
    'a query': `sha256:${HEX}?a=b`,
    'a part before it': `x/sha256:${HEX}`,
  }
  for (const [what, text] of Object.entries(REFUSED)) {
    it(`refuses ${what}`, () => assert.throws(() => parseDigest(text), {code: 'INVALID_DIGEST', exitCode: 2}))
  }

  it('says what is wrong: the algorithm, or how many digits it takes', () => {
    assert.throws(() => parseDigest('md5:a'), /the algorithm must be sha256 or sha512/)
    assert.throws(() => parseDigest('constructor:a'), /the algorithm must be sha256 or sha512/)
    assert.throws(() => parseDigest('sha512:a'), /sha512 takes 128 lower-case hex digits/)
  })

  it('does not repeat a text of any length in its message', () => {
    assert.throws(
      () => parseDigest('x'.repeat(1_000_000)),
      ({message}: Error) => message.length < 300,
    )
  })

  it('accepts no text that could leave a path or a URL', () => {
    fc.assert(fc.property(fc.string(), (text) => !isDigest(text) && !isDigest(`sha256:${text}`)))
  })
})

describe('digestOf', () => {
  it('is what sha256sum and sha512sum say', () => {
    const bytes = Buffer.from('abc')
    assert.equal(digestOf(bytes), 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    assert.match(digestOf(bytes, 'sha512'), /^sha512:ddaf35a193617abacc417349ae204131/)
  })

  it('makes digests that are accepted and come apart again', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom('sha256', 'sha512'), (bytes, algorithm) => {
        const digest = digestOf(bytes, algorithm)
        assert.equal(parseDigest(digest), digest)
        assert.equal(digestAlgorithm(digest), algorithm)
        assert.equal(digestHex(digest), createHash(algorithm).update(bytes).digest('hex'))
      }),
    )
  })

  it('is the same for bytes that come in pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), fc.constantFrom('sha256', 'sha512'), (pieces, algorithm) => {
        const whole = digestOf(Buffer.concat(pieces), algorithm)
        const hash = createDigestHash(whole)
        for (const piece of pieces) hash.update(piece)
        assert.equal(finishDigest(hash, algorithm), whole)
      }),
    )
  })
})
