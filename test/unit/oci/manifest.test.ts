import assert from 'node:assert/strict'
import fc from 'fast-check'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {
  createRawManifest,
  describeManifest,
  describeReferrer,
  type ImageManifest,
  MAX_MANIFEST_BYTES,
  MAX_MANIFEST_ENTRIES,
  parseManifest,
  requiredBlobs,
  verifyManifest,
} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {createImage, createIndex, createLayer, createReferrer, layerDigests, type SampleImage} from '../../support/images.ts'

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
const blob = (content: string, mediaType = LAYER) => ({mediaType, digest: digestOf(Buffer.from(content)), size: content.length})
const config = blob('config', MEDIA_TYPE.ociConfig)

const encode = (json: unknown) => Buffer.from(JSON.stringify(json))
const parseJson = (mediaType: string, json: unknown) => parseManifest(createRawManifest(mediaType, encode(json)))
const image = (fields: object = {}) => ({schemaVersion: 2, config, layers: [blob('layer')], ...fields})
const index = (fields: object = {}) => ({schemaVersion: 2, manifests: [blob('child', MEDIA_TYPE.ociManifest)], ...fields})
const parseSample = (sample: SampleImage) => parseManifest(createRawManifest(sample.mediaType, sample.bytes))

function parseImage(json: unknown): ImageManifest {
  const manifest = parseJson(MEDIA_TYPE.ociManifest, json)
  assert.ok(manifest.kind === 'image')
  return manifest
}

describe('parseManifest', () => {
  for (const format of ['oci', 'docker'] as const) {
    it(`reads an image and an index in the ${format} format, and keeps their bytes`, () => {
      const amd64 = createImage([createLayer('a', '1'), createLayer('b', '2')], {format})
      const arm = createImage([createLayer('a', '1')], {format, architecture: 'arm', variant: 'v7'})
      const both = createIndex({'linux/amd64': amd64, 'linux/arm/v7': arm}, format)
      const readImage = parseSample(amd64)
      assert.ok(readImage.kind === 'image')
      assert.deepEqual(
        readImage.layers.map(({digest}) => digest),
        layerDigests(amd64),
      )
      assert.equal(readImage.raw.digest, amd64.digest)
      assert.deepEqual(readImage.raw.bytes, amd64.bytes)
      const readIndex = parseSample(both)
      assert.ok(readIndex.kind === 'index')
      assert.deepEqual(
        readIndex.manifests.map(({digest, platform}) => [digest, platform]),
        [
          [amd64.digest, {os: 'linux', architecture: 'amd64'}],
          [arm.digest, {os: 'linux', architecture: 'arm', variant: 'v7'}],
        ],
      )
    })
  }

  it('reads subject, artifact type and annotations', () => {
    const manifest = parseImage(image({subject: blob('subject'), artifactType: 'application/x', annotations: {a: 'b', broken: 1}}))
    assert.equal(manifest.subject?.digest, blob('subject').digest)
    assert.equal(manifest.artifactType, 'application/x')
    assert.deepEqual(manifest.annotations, {a: 'b'})
  })

  it('takes absent or null lists for empty ones, as Go programs write them', () => {
    assert.deepEqual(parseImage({schemaVersion: 2, config, layers: null}).layers, [])
    const empty = parseJson(MEDIA_TYPE.ociIndex, {schemaVersion: 2})
    assert.ok(empty.kind === 'index' && empty.manifests.length === 0)
  })

  const REFUSED: Readonly<Record<string, readonly [mediaType: string, json: unknown]>> = {
    'an image served as an index (CVE-2021-41190)': [MEDIA_TYPE.ociIndex, image()],
    'an index served as an image (CVE-2021-41190)': [MEDIA_TYPE.ociManifest, index()],
    'the fields of both kinds as an image': [MEDIA_TYPE.ociManifest, {...image(), ...index()}],
    'the fields of both kinds as an index': [MEDIA_TYPE.ociIndex, {...image(), ...index()}],
    'an index with a config': [MEDIA_TYPE.ociIndex, index({config})],
    'a media type that contradicts the one it was served with': [MEDIA_TYPE.ociManifest, image({mediaType: MEDIA_TYPE.dockerManifest})],
    'a media type that is no text': [MEDIA_TYPE.ociManifest, image({mediaType: 7})],
    'an unknown media type': ['application/json', image()],
    'schema version 1': [MEDIA_TYPE.ociManifest, image({schemaVersion: 1})],
    'no schema version': [MEDIA_TYPE.ociManifest, {config, layers: []}],
    'a list at the top': [MEDIA_TYPE.ociManifest, [image()]],
    'null at the top': [MEDIA_TYPE.ociManifest, null],
    'no config': [MEDIA_TYPE.ociManifest, {schemaVersion: 2, layers: []}],
    'layers that are no list': [MEDIA_TYPE.ociManifest, image({layers: {0: blob('layer')}})],
    'a layer that is no object': [MEDIA_TYPE.ociManifest, image({layers: ['layer']})],
    'a null layer': [MEDIA_TYPE.ociManifest, image({layers: [null]})],
    'a layer without digest': [MEDIA_TYPE.ociManifest, image({layers: [{mediaType: LAYER, size: 1}]})],
    'a path for a digest (CVE-2024-3727)': [
      MEDIA_TYPE.ociManifest,
      image({layers: [{...blob('x'), digest: 'sha256:../../../etc/passwd'}]}),
    ],
    'a digest with a query': [MEDIA_TYPE.ociManifest, image({layers: [{...blob('x'), digest: `${blob('x').digest}?x=y`}]})],
    'a digest that is a list': [MEDIA_TYPE.ociManifest, image({layers: [{...blob('x'), digest: [blob('x').digest]}]})],
    'a config with a bad digest': [MEDIA_TYPE.ociManifest, image({config: {...config, digest: 'md5:abc'}})],
    'a subject with a bad digest': [MEDIA_TYPE.ociManifest, image({subject: {...config, digest: '../..'}})],
    'a child with a bad digest': [MEDIA_TYPE.ociIndex, index({manifests: [{...blob('x'), digest: 'sha256:'}]})],
    'a negative size': [MEDIA_TYPE.ociManifest, image({layers: [{...blob('x'), size: -1}]})],
    'half a byte': [MEDIA_TYPE.ociManifest, image({layers: [{...blob('x'), size: 1.5}]})],
    'a size beyond what numbers hold': [MEDIA_TYPE.ociManifest, image({layers: [{...blob('x'), size: 2 ** 60}]})],
    'a size that is text': [MEDIA_TYPE.ociManifest, image({layers: [{...blob('x'), size: '12'}]})],
    'a layer without size': [MEDIA_TYPE.ociManifest, image({layers: [{mediaType: LAYER, digest: blob('x').digest}]})],
    'a layer without media type': [MEDIA_TYPE.ociManifest, image({layers: [{digest: blob('x').digest, size: 1}]})],
    'more entries than anybody needs': [
      MEDIA_TYPE.ociManifest,
      image({layers: Array.from({length: MAX_MANIFEST_ENTRIES + 1}, () => ({...blob('x')}))}),
    ],
  }
  for (const [what, [mediaType, json]] of Object.entries(REFUSED)) {
    it(`refuses ${what}`, () => assert.throws(() => parseJson(mediaType, json), {code: 'INVALID_MANIFEST', exitCode: 8}))
  }

  it('refuses bytes that are no JSON, or no UTF-8', () => {
    for (const bytes of [Buffer.from(''), Buffer.from('{'), Buffer.from('<html>'), Buffer.from([0x22, 0xff, 0x22])]) {
      assert.throws(() => parseManifest(createRawManifest(MEDIA_TYPE.ociManifest, bytes)), {code: 'INVALID_MANIFEST'})
    }
  })

  it('refuses more bytes than a registry may hold, before it reads them', () => {
    const bytes = Buffer.alloc(MAX_MANIFEST_BYTES + 1, ' ')
    encode(image()).copy(bytes)
    assert.throws(() => parseManifest(createRawManifest(MEDIA_TYPE.ociManifest, bytes)), /more than 4194304/)
    assert.equal(parseManifest(createRawManifest(MEDIA_TYPE.ociManifest, bytes.subarray(0, MAX_MANIFEST_BYTES))).kind, 'image')
  })

  it('says how to convert an image of Docker schema 1', () => {
    for (const mediaType of [MEDIA_TYPE.dockerSchema1, MEDIA_TYPE.dockerSchema1Signed])
      assert.throws(
        () => parseJson(mediaType, {schemaVersion: 1}),
        (error) => error instanceof HoldfastError && error.code === 'UNSUPPORTED' && error.hints.length > 0,
      )
  })

  it('answers any JSON with a manifest or INVALID_MANIFEST', () => {
    const json = fc.oneof(
      fc.jsonValue(),
      fc.record({schemaVersion: fc.constant(2), config: fc.jsonValue(), layers: fc.array(fc.jsonValue())}),
      fc.record({schemaVersion: fc.constant(2), manifests: fc.oneof(fc.jsonValue(), fc.array(fc.object()))}),
    )
    fc.assert(
      fc.property(fc.constantFrom(MEDIA_TYPE.ociManifest, MEDIA_TYPE.ociIndex), json, (mediaType, value) => {
        try {
          parseJson(mediaType, value)
        } catch (error) {
          assert.ok(error instanceof HoldfastError && error.code === 'INVALID_MANIFEST', String(error))
        }
      }),
    )
  })
})

describe('verifyManifest', () => {
  const raw = createRawManifest(MEDIA_TYPE.ociManifest, encode(image()))

  it('passes the bytes that were asked for, whichever algorithm asked', () => {
    assert.equal(verifyManifest(raw, raw.digest).digest, raw.digest)
    const sha512 = digestOf(raw.bytes, 'sha512')
    assert.equal(verifyManifest(raw, sha512).digest, sha512)
  })

  it('refuses other bytes and names both digests', () => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const expected = digestOf(Buffer.from('other'), algorithm)
      const actual = digestOf(raw.bytes, algorithm)
      assert.throws(() => verifyManifest(raw, expected), {code: 'INTEGRITY', details: {expected, actual}})
    }
  })
})

describe('requiredBlobs', () => {
  it('names config and layers, each once', () => {
    const manifest = parseImage(image({layers: [blob('a'), blob('b'), blob('a')]}))
    assert.deepEqual(
      requiredBlobs(manifest).map(({digest}) => digest),
      [config.digest, blob('a').digest, blob('b').digest],
    )
  })

  it('leaves out foreign layers, wherever they say they are (CVE-2020-15157)', () => {
    const urls = ['http://attacker.example/layer']
    const foreign = [
      {...blob('a', 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'), urls},
      {...blob('b', 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'), urls},
    ]
    assert.deepEqual(
      requiredBlobs(parseImage(image({layers: [...foreign, blob('c')]}))).map(({digest}) => digest),
      [config.digest, blob('c').digest],
    )
  })
})

describe('describeReferrer', () => {
  it('gives an artifact its type, and an image that of its config', () => {
    const subject = createImage([createLayer('a', '1')])
    assert.equal(
      describeReferrer(parseSample(createReferrer(subject, 'application/spdx+json', '{}'))).artifactType,
      'application/spdx+json',
    )
    assert.equal(describeReferrer(parseImage(image({subject: blob('subject')}))).artifactType, MEDIA_TYPE.ociConfig)
  })

  it('describes the very bytes', () => {
    const manifest = parseImage(image({annotations: {a: 'b'}}))
    assert.deepEqual(describeReferrer(manifest), {
      ...describeManifest(manifest.raw),
      artifactType: MEDIA_TYPE.ociConfig,
      annotations: {a: 'b'},
    })
  })
})
