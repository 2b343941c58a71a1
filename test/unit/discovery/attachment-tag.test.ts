import assert from 'node:assert/strict'
import {parseAttachmentTag} from '../../../src/lib/discovery/attachment-tag.ts'
import {parseTag} from '../../../src/lib/oci/reference.ts'

const HEX = '0123456789abcdef'.repeat(4)

describe('the tag of an attachment', () => {
  for (const [suffix, kind] of [
    ['', 'referrers'],
    ['.sig', 'signature'],
    ['.att', 'attestation'],
    ['.sbom', 'sbom'],
  ] as const)
    it(`sha256-…${suffix} is told to be ${kind}, with its subject`, () => {
      assert.deepEqual(parseAttachmentTag(parseTag(`sha256-${HEX}${suffix}`)), {kind, subject: `sha256:${HEX}`})
    })

  it('of a SHA-512 is known, and its subject is not: a tag has room for half of it', () => {
    assert.deepEqual(parseAttachmentTag(parseTag(`sha512-${HEX}`)), {kind: 'referrers', subject: undefined})
  })

  for (const tag of [
    'v1',
    'sha256-abc',
    `sha256-${HEX}0`,
    `sha256-${HEX.toUpperCase()}`,
    `sha256-${HEX}.tar`,
    `x-sha256-${HEX}`,
    `md5-${HEX}`,
  ])
    it(`is not ${tag}`, () => {
      assert.equal(parseAttachmentTag(parseTag(tag)), undefined)
    })
})
