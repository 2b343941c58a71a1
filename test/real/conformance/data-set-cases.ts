/** Each data set through its whole life: push, list, HEAD, pull, referrers, delete. */
import assert from 'node:assert/strict'
import {expectStatus, type RegistryApi} from './api.ts'
import {expectPull, newRepository} from './blob-cases.ts'
import {createDataSets, type DataSet, type ManifestContent} from './data.ts'
import type {ConformanceCase} from './suite.ts'

export function dataSetCases(): Readonly<Record<string, readonly ConformanceCase[]>> {
  return {'data sets': createDataSets().map((set) => ({name: set.name, run: (api) => live(api, set)}))}
}

async function live(api: RegistryApi, {blobs, manifests}: DataSet): Promise<void> {
  const repository = newRepository()
  for (const {digest, bytes} of blobs) await api.putBlob(repository, digest, bytes)
  for (const manifest of manifests) await pushManifest(api, repository, manifest)
  const tags = manifests.flatMap(({tag}) => (tag === undefined ? [] : [tag]))
  if (tags.length > 0) {
    const listed = await api.send('GET', `/v2/${repository}/tags/list`)
    assert.deepEqual(JSON.parse(listed.body.toString()).tags.toSorted(), tags.toSorted())
  }
  for (const blob of blobs) await expectPull(api, repository, blob)
  for (const manifest of manifests) await expectManifest(api, repository, manifest)
  for (const {subject, digest} of manifests) {
    if (subject === undefined) continue
    const answer = await api.send('GET', `/v2/${repository}/referrers/${subject}`)
    expectStatus(answer, 200)
    const listed: {manifests: readonly {digest: string}[]} = JSON.parse(answer.body.toString())
    assert.ok(
      listed.manifests.some((entry) => entry.digest === digest),
      'a referrer is not listed',
    )
  }
  await deleteAll(api, repository, {blobs, manifests})
}

async function pushManifest(
  api: RegistryApi,
  repository: string,
  {digest, bytes, mediaType, tag, subject}: ManifestContent,
): Promise<void> {
  for (const reference of [digest, ...(tag === undefined ? [] : [tag])]) {
    const stored = await api.putManifest(repository, reference, mediaType, bytes)
    expectStatus(stored, 201)
    assert.equal(stored.headers.get('docker-content-digest'), digest)
    if (subject !== undefined) assert.equal(stored.headers.get('oci-subject'), subject)
  }
}

async function expectManifest(api: RegistryApi, repository: string, {digest, bytes, mediaType, tag}: ManifestContent): Promise<void> {
  for (const reference of [digest, ...(tag === undefined ? [] : [tag])]) {
    const path = `/v2/${repository}/manifests/${reference}`
    const accept = {headers: {Accept: mediaType}}
    const [got, head] = [await api.send('GET', path, accept), await api.send('HEAD', path, accept)]
    for (const answer of [got, head]) {
      expectStatus(answer, 200)
      assert.equal(answer.headers.get('content-type'), mediaType)
      assert.equal(answer.headers.get('docker-content-digest'), digest)
      assert.equal(answer.headers.get('content-length'), String(bytes.length))
    }
    assert.ok(got.body.equals(bytes), 'the manifest has other bytes')
  }
}

/** By digest, which takes the tags along; deleting a tag alone has a case of its own. */
async function deleteAll(api: RegistryApi, repository: string, {blobs, manifests}: Pick<DataSet, 'blobs' | 'manifests'>): Promise<void> {
  const manifestPaths = manifests.toReversed().map(({digest}) => `manifests/${digest}`)
  const blobPaths = [...new Set(blobs.map(({digest}) => `blobs/${digest}`))]
  for (const path of [...manifestPaths, ...blobPaths]) {
    expectStatus(await api.send('DELETE', `/v2/${repository}/${path}`), 202)
    expectStatus(await api.send('GET', `/v2/${repository}/${path}`), 404)
  }
  for (const {tag} of manifests) {
    if (tag !== undefined) expectStatus(await api.send('GET', `/v2/${repository}/manifests/${tag}`), 404)
  }
}
