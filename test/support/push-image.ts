/** Pushing and reading with plain fetch: what Holdfast is compared with must not be Holdfast. */
import {DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, type SampleImage} from './images.ts'

const ACCEPT = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(', ')

/** Pushes an image with its blobs and children; without a tag by digest alone. */
export async function pushImage(registryUrl: string, repository: string, tag: string | undefined, image: SampleImage): Promise<void> {
  const base = `${registryUrl}/v2/${repository}`
  for (const {digest, bytes} of image.blobs) {
    const found = await fetch(`${base}/blobs/${digest}`, {method: 'HEAD'})
    if (found.status === 200) continue
    const opened = await expectStatus(202, `${base}/blobs/uploads/`, {method: 'POST'})
    const location = new URL(opened.headers.get('location') ?? '', base)
    location.searchParams.set('digest', digest)
    const body = new Uint8Array(bytes)
    await expectStatus(201, location.href, {method: 'PUT', headers: {'content-type': 'application/octet-stream'}, body})
  }
  for (const child of image.children) await pushImage(registryUrl, repository, undefined, child)
  await expectStatus(201, `${base}/manifests/${tag ?? image.digest}`, {
    method: 'PUT',
    headers: {'content-type': image.mediaType},
    body: new Uint8Array(image.bytes),
  })
}

export interface FetchedManifest {
  readonly mediaType: string
  readonly digest: string
  readonly bytes: Uint8Array
}

/** The manifest under a tag or digest, or undefined when the registry has none. */
export async function fetchManifest(registryUrl: string, repository: string, reference: string): Promise<FetchedManifest | undefined> {
  const response = await fetch(`${registryUrl}/v2/${repository}/manifests/${reference}`, {headers: {accept: ACCEPT}})
  const bytes = new Uint8Array(await response.arrayBuffer())
  if (response.status === 404) return undefined
  if (response.status !== 200) throw new Error(`GET ${response.url} answered ${response.status}: ${Buffer.from(bytes).toString()}`)
  return {mediaType: response.headers.get('content-type') ?? '', digest: response.headers.get('docker-content-digest') ?? '', bytes}
}

/** A whole blob, or undefined when the registry has none. */
export async function fetchBlob(registryUrl: string, repository: string, digest: string): Promise<Uint8Array | undefined> {
  const response = await fetch(`${registryUrl}/v2/${repository}/blobs/${digest}`)
  const bytes = new Uint8Array(await response.arrayBuffer())
  return response.status === 200 ? bytes : undefined
}

/** The tags of a repository; none when the registry does not know it. */
export async function fetchTags(registryUrl: string, repository: string): Promise<readonly string[]> {
  const response = await fetch(`${registryUrl}/v2/${repository}/tags/list`)
  const body = (await response.json()) as {tags?: string[] | null}
  return body.tags ?? []
}

/** The repositories of a registry. */
export async function fetchRepositories(registryUrl: string): Promise<readonly string[]> {
  const response = await fetch(`${registryUrl}/v2/_catalog?n=1000`)
  const body = (await response.json()) as {repositories?: string[]}
  return body.repositories ?? []
}

async function expectStatus(status: number, url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init)
  const body = await response.text()
  if (response.status !== status) throw new Error(`${init.method} ${url} answered ${response.status}, not ${status}: ${body}`)
  return response
}
