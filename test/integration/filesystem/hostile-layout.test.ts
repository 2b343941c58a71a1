/** Image layouts that others made: what lies in their places may be anything. */
import assert from 'node:assert/strict'
import {execFileSync} from 'node:child_process'
import {mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createOciLayoutStore, type OciLayoutStore} from '../../../src/lib/content/oci-layout/store.ts'
import {digestHex, digestOf} from '../../../src/lib/oci/digest.ts'
import {createRawManifest} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import {DEFAULT_TAG, parseRepositoryName} from '../../../src/lib/oci/reference.ts'

const repository = parseRepositoryName('image')
const VERSION = JSON.stringify({imageLayoutVersion: '1.0.0'})
const EMPTY_INDEX = createRawManifest(MEDIA_TYPE.ociIndex, Buffer.from('{"schemaVersion":2,"manifests":[]}'))
const DIGEST = digestOf(Buffer.from('layer'))

describe('a hostile image layout', () => {
  let directory: string
  let layout: string
  let store: OciLayoutStore
  const inLayout = (...names: readonly string[]): string => join(layout, ...names)

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-layout-'))
    layout = join(directory, 'layout')
    mkdirSync(join(layout, 'blobs', 'sha256'), {recursive: true})
    writeFileSync(inLayout('oci-layout'), VERSION)
    store = createOciLayoutStore({directory: layout})
  })

  afterEach(async () => {
    await store.close()
    rmSync(directory, {recursive: true})
  })

  it('is refused when index.json leads out of it', async () => {
    symlinkSync('/dev/zero', inLayout('index.json'))
    await assert.rejects(store.readManifest(repository, DEFAULT_TAG), {code: 'DENIED', message: /index\.json": a symbolic link leads out/})
    await assert.rejects(store.writeManifest(repository, DEFAULT_TAG, EMPTY_INDEX), {code: 'DENIED'})
  })

  it('is refused when index.json has more bytes than a manifest may have', async () => {
    writeFileSync(inLayout('index.json'), '')
    truncateSync(inLayout('index.json'), 2 ** 40)
    await assert.rejects(store.readManifest(repository, DEFAULT_TAG), {
      code: 'CONFIGURATION',
      message: /index\.json": it has more than \d+ bytes/,
    })
  })

  for (const name of ['index.json', 'oci-layout']) {
    it(`is refused when ${name} is a named pipe, without waiting for its other end`, async () => {
      rmSync(inLayout(name), {force: true})
      execFileSync('mkfifo', [inLayout(name)])
      await assert.rejects(store.readManifest(repository, DEFAULT_TAG), {code: 'CONFIGURATION', message: /it is not a regular file$/})
    })
  }

  it('offers no blob where a named pipe has its name, and says so of a manifest', async () => {
    execFileSync('mkfifo', [inLayout('blobs', 'sha256', digestHex(DIGEST))])
    await assert.rejects(store.readManifest(repository, DIGEST), {code: 'CONFIGURATION', message: /it is not a regular file$/})
    assert.equal(await store.statBlob(repository, DIGEST), undefined)
    const sink = {write: () => true}
    await assert.rejects(store.readBlob(repository, {digest: DIGEST, size: 5}, sink), {
      code: 'CONFIGURATION',
      message: /it is not a regular file$/,
    })
  })

  it('is an error with a code when a file is where its directory should be', async () => {
    const file = join(directory, 'file')
    writeFileSync(file, 'not a directory')
    const other = createOciLayoutStore({directory: file})
    const expected = {code: 'CONFIGURATION', message: `cannot use image layout "${file}": it is not a directory`}
    await assert.rejects(other.writeManifest(repository, DEFAULT_TAG, EMPTY_INDEX), expected)
    await assert.rejects(other.readManifest(repository, DEFAULT_TAG), expected)
    await other.close()
    const below = createOciLayoutStore({directory: join(file, 'below')})
    await assert.rejects(below.writeManifest(repository, DEFAULT_TAG, EMPTY_INDEX), {code: 'STORAGE'})
    await below.close()
  })

  it('is an error with a code when a file is where the directory of its blobs should be', async () => {
    rmSync(inLayout('blobs', 'sha256'), {recursive: true})
    writeFileSync(inLayout('blobs', 'sha256'), '')
    await assert.rejects(store.writeManifest(repository, DEFAULT_TAG, EMPTY_INDEX), {code: 'STORAGE'})
  })
})
