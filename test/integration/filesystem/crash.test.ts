import assert from 'node:assert/strict'
import {once} from 'node:events'
import {access, mkdtemp, readdir, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {setTimeout as delay} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {createFilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {digestOf, parseDigest} from '../../../src/lib/oci/digest.ts'
import {createRawManifest, parseManifest, requiredBlobs} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {spawnChild} from '../../support/child-process.ts'
import {startDockerRegistry} from '../../support/docker-registry.ts'
import {needs} from '../../support/required-program.ts'

const ROUNDS = 15
const MAX_LIFE_MS = 250
const WRITER = fileURLToPath(new URL('./writer-process.ts', import.meta.url))

/** Lets a process write, alone or beside another one, and kills it at a random moment after its first image. */
async function writeAndDie(root: string, round: number): Promise<void> {
  const child = spawnChild(process.execPath, [WRITER, root, `round${round}`], {stdio: ['ignore', 'pipe', 'inherit']})
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  await delay(Math.random() * MAX_LIFE_MS)
  child.kill('SIGKILL')
  await ended
}

describe('a store whose writers are killed', () => {
  needs('docker-registry')

  it(`shows nothing half-written to docker-registry after ${ROUNDS} kills at random moments`, async function () {
    this.timeout(180_000)
    const root = await mkdtemp(join(tmpdir(), 'holdfast-crash-'))
    for (let round = 0; round < ROUNDS; round += 3) {
      await Promise.all([writeAndDie(root, round), writeAndDie(root, round + 1), writeAndDie(root, round)])
    }
    for await (const [digest, file] of blobFiles(root)) assert.equal(digestOf(await readFile(file)), digest, `${file} is whole`)

    const registry = await startDockerRegistry({root})
    const store = createFilesystemStore({root})
    let images = 0
    try {
      for await (const repository of store.listRepositories()) {
        const ours: string[] = []
        for await (const tag of store.listTags(repository)) ours.push(tag)
        // A repository that has got its layers only is unknown to docker-registry's tag list, as after any push that ends there.
        const listed = (await (await fetch(`${registry.url}/v2/${repository}/tags/list`)).json()) as {readonly tags?: readonly string[]}
        assert.deepEqual([...(listed.tags ?? [])].sort(), ours)
        for (const tag of ours) {
          const response = await fetch(`${registry.url}/v2/${repository}/manifests/${tag}`, {headers: {accept: MEDIA_TYPE.ociManifest}})
          assert.equal(response.status, 200, `${repository}:${tag} is served`)
          const manifest = parseManifest(createRawManifest(MEDIA_TYPE.ociManifest, Buffer.from(await response.arrayBuffer())))
          assert.equal(manifest.kind, 'image')
          for (const blob of manifest.kind === 'image' ? requiredBlobs(manifest) : []) {
            const body = await (await fetch(`${registry.url}/v2/${repository}/blobs/${blob.digest}`)).arrayBuffer()
            assert.equal(digestOf(Buffer.from(body)), blob.digest)
          }
          images += 1
        }
      }
    } finally {
      await registry.stop()
      await store.close()
      await rm(root, {recursive: true})
    }
    assert.ok(images >= ROUNDS, `${images} images were checked`)
  })
})

async function* blobFiles(root: string): AsyncGenerator<readonly [string, string]> {
  const top = join(root, 'docker', 'registry', 'v2', 'blobs', 'sha256')
  for (const start of await readdir(top)) {
    for (const hex of await readdir(join(top, start))) {
      const file = join(top, start, hex, 'data')
      const isThere = await access(file).then(
        () => true,
        () => false,
      )
      if (isThere) yield [parseDigest(`sha256:${hex}`), file]
    }
  }
}
