/** Manifests that are missing, malformed or too large. What happens to good ones is in the data sets. */
import assert from 'node:assert/strict'
import {expectError, expectStatus, type RegistryApi} from './api.ts'
import {newRepository} from './blob-cases.ts'
import {content, createDataSets, type DataSet, randomContent} from './data.ts'
import type {ConformanceCase} from './suite.ts'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'
const TOO_LARGE_BYTES = 4 * 1024 * 1024 + 1

export function manifestCases(): Readonly<Record<string, readonly ConformanceCase[]>> {
  return {manifests: CASES}
}

const CASES: readonly ConformanceCase[] = [
  {
    name: 'a manifest that was never pushed is 404, by tag and by digest',
    run: async (api) => {
      const repository = newRepository()
      for (const reference of ['missing', '.not-a-tag', randomContent().digest]) {
        const path = `/v2/${repository}/manifests/${reference}`
        expectStatus(await api.send('GET', path), 404)
        expectStatus(await api.send('HEAD', path), 404)
      }
      expectError(await api.send('GET', `/v2/${repository}/manifests/missing`), 404, 'MANIFEST_UNKNOWN', 'NAME_UNKNOWN')
    },
  },
  {
    name: 'a manifest under a wrong digest is 400',
    run: async (api) => {
      const [repository, wrong] = [newRepository(), randomContent().digest]
      const [manifest] = (await pushBlobs(api, repository)).manifests
      expectError(
        await api.putManifest(repository, wrong, MANIFEST, manifest?.bytes ?? Buffer.alloc(0)),
        400,
        'DIGEST_INVALID',
        'MANIFEST_INVALID',
      )
      expectStatus(await api.send('HEAD', `/v2/${repository}/manifests/${wrong}`), 404)
    },
  },
  {
    name: 'a malformed digest as the reference is 400',
    run: async (api) => {
      const repository = newRepository()
      const [manifest] = (await pushBlobs(api, repository)).manifests
      for (const reference of ['sha256:abc', 'md5:d41d8cd98f00b204e9800998ecf8427e']) {
        expectStatus(await api.putManifest(repository, reference, MANIFEST, manifest?.bytes ?? Buffer.alloc(0)), 400)
      }
    },
  },
  {
    name: 'a manifest whose blobs were not pushed is refused',
    run: async (api) => {
      const repository = newRepository()
      const manifest = imageSet().manifests[0]
      expectError(await api.putManifest(repository, 'latest', MANIFEST, manifest?.bytes ?? Buffer.alloc(0)), 400, 'MANIFEST_BLOB_UNKNOWN')
      expectStatus(await api.send('HEAD', `/v2/${repository}/manifests/latest`), 404)
    },
  },
  {
    name: 'bytes that are no manifest are 400 MANIFEST_INVALID',
    run: async (api) => {
      for (const text of ['', '{', '[]', '{"schemaVersion":2}', 'null']) {
        expectError(await api.putManifest(newRepository(), 'latest', MANIFEST, Buffer.from(text)), 400, 'MANIFEST_INVALID')
      }
    },
  },
  {
    name: 'a Content-Type that contradicts the manifest is 400',
    run: async (api) => {
      const repository = newRepository()
      const [manifest] = (await pushBlobs(api, repository)).manifests
      expectStatus(await api.putManifest(repository, 'latest', INDEX, manifest?.bytes ?? Buffer.alloc(0)), 400)
    },
  },
  {
    name: 'parameters of Content-Type are ignored',
    run: async (api) => {
      const repository = newRepository()
      const [manifest] = (await pushBlobs(api, repository)).manifests
      expectStatus(await api.putManifest(repository, 'latest', `${MANIFEST}; charset=utf-8`, manifest?.bytes ?? Buffer.alloc(0)), 201)
      const got = await api.send('GET', `/v2/${repository}/manifests/latest`, {headers: {Accept: MANIFEST}})
      assert.equal(got.headers.get('content-type'), MANIFEST)
    },
  },
  {
    name: 'a manifest of more than 4 MiB is 413',
    run: async (api) => {
      const large = content(Buffer.alloc(TOO_LARGE_BYTES, ' '))
      expectStatus(await api.putManifest(newRepository(), 'latest', MANIFEST, large.bytes), 413)
    },
  },
  {
    name: 'a tag can be moved, and what it named stays under its digest',
    run: async (api) => {
      const repository = newRepository()
      const [first, second] = [await pushBlobs(api, repository), await pushBlobs(api, repository)].map(({manifests}) => manifests[0])
      assert.ok(first && second)
      for (const manifest of [first, second]) expectStatus(await api.putManifest(repository, 'moved', MANIFEST, manifest.bytes), 201)
      const accept = {headers: {Accept: MANIFEST}}
      assert.deepEqual((await api.send('GET', `/v2/${repository}/manifests/moved`, accept)).body, second.bytes)
      assert.deepEqual((await api.send('GET', `/v2/${repository}/manifests/${first.digest}`, accept)).body, first.bytes)
    },
  },
  {
    name: 'deleting a tag leaves its siblings and the manifest',
    run: async (api) => {
      const repository = newRepository()
      const [manifest] = (await pushBlobs(api, repository)).manifests
      assert.ok(manifest)
      for (const tag of ['one', 'two']) expectStatus(await api.putManifest(repository, tag, MANIFEST, manifest.bytes), 201)
      expectStatus(await api.send('DELETE', `/v2/${repository}/manifests/one`), 202)
      const accept = {headers: {Accept: MANIFEST}}
      expectStatus(await api.send('GET', `/v2/${repository}/manifests/one`, accept), 404)
      expectStatus(await api.send('GET', `/v2/${repository}/manifests/two`, accept), 200)
      expectStatus(await api.send('GET', `/v2/${repository}/manifests/${manifest.digest}`, accept), 200)
    },
  },
  {
    name: 'deleting a manifest by digest takes its tags along',
    run: async (api) => {
      const repository = newRepository()
      const [manifest] = (await pushBlobs(api, repository)).manifests
      assert.ok(manifest)
      for (const tag of ['one', 'two']) expectStatus(await api.putManifest(repository, tag, MANIFEST, manifest.bytes), 201)
      expectStatus(await api.send('DELETE', `/v2/${repository}/manifests/${manifest.digest}`), 202)
      for (const reference of ['one', 'two', manifest.digest])
        expectStatus(await api.send('GET', `/v2/${repository}/manifests/${reference}`, {headers: {Accept: MANIFEST}}), 404)
      expectError(await api.send('DELETE', `/v2/${repository}/manifests/${manifest.digest}`), 404, 'MANIFEST_UNKNOWN')
    },
  },
]

function imageSet(): DataSet {
  const set = createDataSets().find(({name}) => name === 'image')
  assert.ok(set)
  return set
}

async function pushBlobs(api: RegistryApi, repository: string): Promise<DataSet> {
  const set = imageSet()
  for (const {digest, bytes} of set.blobs) await api.putBlob(repository, digest, bytes)
  return set
}
