import assert from 'node:assert/strict'
import {checkManifest} from '../../../src/lib/content/disk/manifest-file.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {type Digest, digestOf} from '../../../src/lib/oci/digest.ts'
import {createRawManifest, type Manifest} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'
const FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
const [config, layer, child] = ['config', 'layer', 'child'].map((text) => digestOf(Buffer.from(text)))
const held = new Map<Digest | undefined, number>([
  [config, 2],
  [layer, 700],
  [child, 500],
])

/** Checks a manifest of a repository that holds the three parts above. */
async function check(mediaType: string, fields: object): Promise<Manifest> {
  const raw = createRawManifest(mediaType, Buffer.from(JSON.stringify({schemaVersion: 2, mediaType, ...fields})))
  const sizeOf = async (digest: Digest): Promise<number | undefined> => held.get(digest)
  return await checkManifest(raw, {blob: sizeOf, manifest: sizeOf})
}

async function refuses(checked: Promise<unknown>, digest: Digest | undefined, expected: number, actual: number): Promise<void> {
  await assert.rejects(checked, (error) => {
    assert.ok(hasCode(error, 'INVALID_MANIFEST'), String(error))
    assert.match(error.message, new RegExp(`says ${expected} bytes, it has ${actual}$`))
    assert.deepEqual([error.details.digest, error.details.expected, error.details.actual], [digest, expected, actual])
    return true
  })
}

const goodConfig = {mediaType: MEDIA_TYPE.ociConfig, digest: config, size: 2}
const goodLayer = {mediaType: LAYER, digest: layer, size: 700}

describe('a manifest that is to be stored', () => {
  it('is taken when every size is that of the part', async () => {
    await check(MEDIA_TYPE.ociManifest, {config: goodConfig, layers: [goodLayer, goodLayer]})
    await check(MEDIA_TYPE.ociIndex, {manifests: [{mediaType: MEDIA_TYPE.ociManifest, digest: child, size: 500}]})
  })

  it('is refused when a descriptor of a blob has another size than the blob', async () => {
    await refuses(check(MEDIA_TYPE.ociManifest, {config: {...goodConfig, size: 3}, layers: [goodLayer]}), config, 3, 2)
    await refuses(check(MEDIA_TYPE.ociManifest, {config: goodConfig, layers: [{...goodLayer, size: 0}]}), layer, 0, 700)
  })

  it('is refused when only the second of two descriptors of one blob has another size', async () => {
    await refuses(check(MEDIA_TYPE.ociManifest, {config: goodConfig, layers: [goodLayer, {...goodLayer, size: 699}]}), layer, 699, 700)
  })

  it('is refused when an index or a subject has another size than the manifest', async () => {
    const wrong = {mediaType: MEDIA_TYPE.ociManifest, digest: child, size: 501}
    await refuses(check(MEDIA_TYPE.ociIndex, {manifests: [wrong]}), child, 501, 500)
    await refuses(check(MEDIA_TYPE.ociManifest, {config: goodConfig, layers: [], subject: wrong}), child, 501, 500)
  })

  it('may have a subject and foreign layers that are not there, with any size', async () => {
    const absent = digestOf(Buffer.from('absent'))
    await check(MEDIA_TYPE.ociManifest, {
      config: goodConfig,
      layers: [{mediaType: FOREIGN, digest: absent, size: 9, urls: ['https://example.com/layer']}],
      subject: {mediaType: MEDIA_TYPE.ociManifest, digest: absent, size: 9},
    })
    await refuses(check(MEDIA_TYPE.ociManifest, {config: goodConfig, layers: [{...goodLayer, mediaType: FOREIGN, size: 9}]}), layer, 9, 700)
  })
})
