import assert from 'node:assert/strict'
import {digestOf} from '../../src/lib/oci/digest.ts'
import {formatPinned, formatReference, parseReference} from '../../src/lib/oci/reference.ts'

describe('references', () => {
  it('writes out what a short name leaves away', () => {
    assert.equal(formatReference(parseReference('alpine')), 'docker.io/library/alpine:latest')
  })

  it('pins a repository by digest', () => {
    const digest = digestOf(new TextEncoder().encode('x'))
    assert.equal(formatPinned(parseReference('localhost:5000/a/b:v1'), digest), `localhost:5000/a/b@${digest}`)
  })
})
