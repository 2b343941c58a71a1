/** The metrics of a mirror, and the dashboard that shows them. */
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {createFilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {createDiskCache} from '../../../src/lib/content/pull-through/disk-cache.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {serveMirror} from '../../../src/lib/server/mirror.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createImage, createLayer} from '../../support/images.ts'
import {keepImage} from '../../support/kept-image.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'
import {until} from '../../support/until.ts'

const NAME = 'upstream.example.com'
const DASHBOARD = new URL('../../../docs/mirror-dashboard.json', import.meta.url)
/** What Prometheus makes of a histogram. */
const PARTS = /_(?:bucket|sum|count)$/

interface Panel {
  readonly title: string
  readonly type: string
  readonly targets?: readonly {readonly expr: string}[]
}

describe('the metrics of a mirror', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  const image = createImage([createLayer('app', 'one', 5_000)])
  let url: string
  let isDown = false

  before(async () => {
    const directory = await createTemporaryDirectory('metrics')
    afterwards(directory.remove)
    const source = createFilesystemStore({root: join(directory.path, 'upstream')})
    afterwards(() => source.close())
    await keepImage(source, 'shop/web', image, {tag: 'v1'})
    const readManifest: typeof source.readManifest = async (...call) => {
      if (isDown) throw new HoldfastError('TLS', 'cannot GET "https://upstream.example.com/v2/": its certificate has expired')
      return await source.readManifest(...call)
    }
    const statManifest: typeof source.statManifest = async (...call) => {
      if (isDown) throw new HoldfastError('TLS', 'cannot GET "https://upstream.example.com/v2/": its certificate has expired')
      return await source.statManifest(...call)
    }
    const served = await serveMirror({
      host: '127.0.0.1',
      port: 0,
      rules: [],
      upstreams: [
        {
          name: NAME,
          path: parseRepositoryName(NAME),
          store: {...source, readManifest, statManifest},
          openCache: async () => createDiskCache({disk: createFilesystemStore({root: join(directory.path, 'kept')})}),
        },
      ],
    })
    afterwards(() => served.stop({graceMs: 0}))
    url = `http://127.0.0.1:${served.address.port}`
  })

  const metrics = async (): Promise<string> => await (await fetch(`${url}/metrics`)).text()
  const sampleOf = (text: string, name: string, ...labels: readonly string[]): number => {
    const line = text
      .split('\n')
      .find((one) => one.startsWith(name) && /[{ ]/.test(one[name.length] ?? '') && labels.every((label) => one.includes(label)))
    return Number(line?.split(' ').at(-1))
  }
  const get = async (path: string): Promise<number> => {
    const response = await fetch(`${url}/v2/shop/web/${path}`)
    await response.arrayBuffer()
    return response.status
  }

  it('count requests and bytes by upstream and outcome, and failures by cause', async () => {
    for (let pull = 0; pull < 2; pull++) {
      assert.equal(await get('manifests/v1'), 200)
      for (const {digest} of image.blobs) assert.equal(await get(`blobs/${digest}`), 200)
    }
    assert.equal(await get('manifests/no-such-tag'), 404)
    isDown = true
    assert.equal(await get('manifests/other'), 503)
    const bytes = 2 * (image.bytes.length + image.blobs.reduce((sum, blob) => sum + blob.bytes.length, 0))
    await until(async () => sampleOf(await metrics(), 'holdfast_mirror_responses_total', 'outcome="failed"') === 1)
    const text = await metrics()
    const responses = (kind: string, outcome: string) =>
      sampleOf(text, 'holdfast_mirror_responses_total', `upstream="${NAME}"`, `kind="${kind}"`, `outcome="${outcome}"`)
    assert.deepEqual(
      [responses('manifest', 'served'), responses('manifest', 'refused'), responses('blob', 'served')],
      [2, 1, 2 * image.blobs.length],
    )
    assert.equal(sampleOf(text, 'holdfast_mirror_sent_bytes_total', 'outcome="served"'), bytes)
    assert.equal(sampleOf(text, 'holdfast_mirror_failures_total', `upstream="${NAME}"`, 'cause="TLS"'), 1)
    assert.equal(sampleOf(text, 'holdfast_mirror_request_duration_seconds_count', 'kind="blob"'), 2 * image.blobs.length)
    assert.equal(sampleOf(text, 'holdfast_mirror_upstream_up', `upstream="${NAME}"`), 0)
    assert.equal(sampleOf(text, 'holdfast_mirror_degraded', 'condition="upstream paused"'), 1)
    assert.ok(sampleOf(text, 'holdfast_mirror_free_bytes') > 0)
  })

  it('are those that the dashboard shows, each of them', async () => {
    const {panels} = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as {panels: readonly Panel[]}
    const text = await metrics()
    const known = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name))
    const shown = new Set<string>()
    for (const {title, type, targets = []} of panels) {
      if (type !== 'row') assert.ok(targets.length > 0, title)
      for (const {expr} of targets) {
        const names = expr.match(/\bholdfast_[a-z0-9_]+/g) ?? []
        assert.ok(names.length > 0, title)
        for (const name of names) {
          assert.ok(known.has(name) || known.has(name.replace(PARTS, '')), `${title}: there is no metric ${name}`)
          shown.add(known.has(name) ? name : name.replace(PARTS, ''))
        }
      }
    }
    const unseen = [...known].filter((name) => name?.startsWith('holdfast_mirror_') && !shown.has(name))
    assert.deepEqual(unseen, [], 'metrics that no panel shows')
  })
})
