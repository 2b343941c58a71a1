import assert from 'node:assert/strict'
import {parseImageLocation} from '../../../src/lib/cli/image-location.ts'
import {formatReference} from '../../../src/lib/oci/reference.ts'

const DIGEST = `sha256:${'a1'.repeat(32)}`

function layout(text: string) {
  const location = parseImageLocation(text)
  assert.equal(location.kind, 'layout')
  return location.kind === 'layout' ? [location.directory, location.reference.tag, location.reference.digest] : []
}

describe('one side of a copy', () => {
  it('is an image in a registry unless it begins with oci:', () => {
    const location = parseImageLocation('alpine:3.20')
    assert.equal(location.kind, 'registry')
    assert.equal(location.reference.repository, 'library/alpine')
  })

  const layouts: readonly (readonly [string, readonly (string | undefined)[]])[] = [
    ['oci:web', ['web', undefined, undefined]],
    ['oci:./web:v2', ['./web', 'v2', undefined]],
    ['oci:/tmp/a:b/web', ['/tmp/a:b/web', undefined, undefined]],
    ['oci:/tmp/a:b/web:v2', ['/tmp/a:b/web', 'v2', undefined]],
    ['oci:C:\\images\\web:v2', ['C:\\images\\web', 'v2', undefined]],
    ['oci:C:\\images\\web', ['C:\\images\\web', undefined, undefined]],
    [`oci:web@${DIGEST}`, ['web', undefined, DIGEST]],
    [`oci:web:v2@${DIGEST}`, ['web', 'v2', DIGEST]],
    ['oci:me@home/web:v2', ['me@home/web', 'v2', undefined]],
  ]
  for (const [text, expected] of layouts) it(`reads ${text}`, () => assert.deepEqual(layout(text), expected))

  it('refuses a layout without a directory and a digest that is none', () => {
    assert.throws(() => parseImageLocation('oci:'), {code: 'USAGE'})
    assert.throws(() => parseImageLocation('oci:web@sha256:12'), {code: 'INVALID_DIGEST'})
  })
  for (const text of ['oci:web:a b', 'oci:./web:', 'oci:web:.hidden', `oci:web:${'x'.repeat(129)}`])
    it(`takes "${text}" for a wrong tag and not for a directory of that name`, () => {
      assert.throws(() => parseImageLocation(text), {code: 'INVALID_REFERENCE', message: /^cannot read "oci:.*is not a tag$/})
    })

  it('quotes the name of a layout in a hint for the shell', () => {
    assert.throws(() => parseImageLocation('oci:a b:c d'), {
      hints: ["'oci:a b:latest'", "'oci:a b:c d/'   # if that is the name of a directory"],
    })
  })

  it('names a layout in messages as the user did', () => {
    for (const text of ['oci:web', 'oci:./web:v2', `oci:web@${DIGEST}`])
      assert.equal(formatReference(parseImageLocation(text).reference), text)
  })
})
