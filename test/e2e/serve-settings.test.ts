/** What `serve` was told by flags, as the commands beside it see it. */
import assert from 'node:assert/strict'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {command, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

describe('holdfast serve --authenticate', function () {
  this.timeout(60_000)
  const afterwards = cleanUpAfterwards()
  let holdfast: Holdfast

  before(async () => {
    const directory = await createTemporaryDirectory('serve-settings')
    afterwards(directory.remove)
    holdfast = await createHoldfast(directory.path)
  })

  const recordedUrl = async (): Promise<string | undefined> => {
    const {registries} = (await command(holdfast, ['registry', 'managed'])) as {registries: {name: string; url: string}[]}
    return registries.find(({name}) => name === 'embedded')?.url
  }
  /** Serves once with these flags; returns where it listened and what was recorded of it. */
  const serveOnce = async (...args: readonly string[]): Promise<{readonly url: string; readonly recorded: string | undefined}> => {
    const served = await serveCollector(holdfast, args)
    try {
      return {url: served.url, recorded: await recordedUrl()}
    } finally {
      await served.stop()
    }
  }

  it('records the embedded registry at the address of --listen, with the port that it took, at each start anew', async () => {
    const first = await serveOnce('--listen', '127.0.0.1:0')
    assert.equal(first.recorded, first.url)
    const second = await serveOnce('--listen', 'localhost:0')
    assert.equal(second.recorded, `http://localhost:${new URL(second.url).port}`)
  })

  it('records the public URL, which stays when it is served without one', async () => {
    const publicUrl = 'https://registry.example.com'
    assert.equal((await serveOnce('--public-url', publicUrl)).recorded, publicUrl)
    assert.equal((await serveOnce()).recorded, publicUrl)
  })
})
