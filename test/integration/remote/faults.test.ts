import assert from 'node:assert/strict'
import {randomBytes} from 'node:crypto'
import type {IncomingMessage} from 'node:http'
import {CollectingSink} from '../../../src/lib/content/read-bytes.ts'
import type {ByteSink} from '../../../src/lib/core/byte-sink.ts'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {type Digest, digestOf} from '../../../src/lib/oci/digest.ts'
import {createRawManifest} from '../../../src/lib/oci/manifest.ts'
import {MEDIA_TYPE} from '../../../src/lib/oci/media-types.ts'
import type {RegistryHost} from '../../../src/lib/oci/reference.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {ManualClock} from '../../support/manual-clock.ts'
import {until} from '../../support/until.ts'
import {
  type Answer,
  OTHER,
  REPOSITORY,
  reply,
  type ScriptedRegistry,
  type Seen,
  sourceOf,
  startScriptedRegistry,
  storeFor,
  TAG,
} from './scripted-registry.ts'

const BYTES = randomBytes(3 * 1024 * 1024 + 5)
const BLOB = {digest: digestOf(BYTES), size: BYTES.length}
const MANIFEST = createRawManifest(
  MEDIA_TYPE.ociManifest,
  Buffer.from(
    JSON.stringify({schemaVersion: 2, config: {mediaType: MEDIA_TYPE.ociConfig, digest: BLOB.digest, size: BLOB.size}, layers: []}),
  ),
)
const manifestHeaders = {'content-type': `${MEDIA_TYPE.ociManifest}; charset=utf-8`, 'docker-content-digest': MANIFEST.digest}
const rangeOf = (headers: IncomingMessage['headers']) => Number(/bytes=([0-9]+)-/.exec(headers.range ?? '')?.[1] ?? 0)
const codes =
  (...expected: Parameters<typeof hasCode> extends [unknown, ...infer Codes] ? Codes : never) =>
  (error: unknown) =>
    hasCode(error, ...expected)

describe('the remote store and a registry that fails', () => {
  const afterwards = cleanUpAfterwards()
  const start = async (answer: Answer, readsBodyItself?: (seen: Seen) => boolean): Promise<ScriptedRegistry> => {
    const registry = await startScriptedRegistry(answer, readsBodyItself)
    afterwards(registry.close)
    return registry
  }
  const open = (...parameters: Parameters<typeof storeFor>) => {
    const opened = storeFor(...parameters)
    afterwards(opened.close)
    return opened
  }
  const read = async (host: string) => {
    const sink = new CollectingSink()
    await open(host).store.readBlob(REPOSITORY, BLOB, sink)
    return sink.bytes()
  }

  describe('by rate limits', () => {
    const limited = async (retryAfter: string | undefined, times: number) => {
      const registry = await start((_seen, response) =>
        registry.seen.length <= times
          ? reply(response, 429, retryAfter === undefined ? {} : {'retry-after': retryAfter})
          : reply(response, 200, manifestHeaders, Buffer.from(MANIFEST.bytes)),
      )
      return {registry, ...open(registry.host)}
    }

    it('waits at least the seconds it was told', async () => {
      const {store, clock} = await limited('7', 2)
      assert.equal((await store.readManifest(REPOSITORY, TAG))?.digest, MANIFEST.digest)
      assert.ok(clock.slept.reduce((sum, ms) => sum + ms, 0) >= 13_900, String(clock.slept))
    })

    it('waits until the date it was told', async () => {
      const {store, clock} = await limited(new Date(Date.now() + 40_000).toUTCString(), 1)
      await store.readManifest(REPOSITORY, TAG)
      const waited = clock.slept.reduce((sum, ms) => sum + ms, 0)
      assert.ok(waited > 37_000 && waited < 45_000, String(waited))
    })

    it('backs off by itself when the time is garbage', async () => {
      const {store, clock} = await limited('880µs', 3)
      await store.readManifest(REPOSITORY, TAG)
      assert.ok(clock.slept.length >= 3 && clock.slept.every((ms) => ms < 60_000))
    })

    it('gives up at once when it is told to wait longer than it may, and says until when', async () => {
      const {store, clock, registry} = await limited('3600', 99)
      await assert.rejects(store.readManifest(REPOSITORY, TAG), (error) => {
        assert.ok(hasCode(error, 'RATE_LIMITED'))
        assert.equal(error.details.retryAfterMs, 3_600_000)
        return true
      })
      assert.deepEqual([clock.slept, registry.seen.length], [[], 1])
    })

    it('asks a registry less and less often that says "at once" and refuses again, and gives up in the end', async () => {
      const {store, clock, registry} = await limited('0', 10_000)
      await assert.rejects(store.readManifest(REPOSITORY, TAG), codes('RATE_LIMITED'))
      assert.ok(registry.seen.length > 5 && registry.seen.length < 60, `${registry.seen.length} requests`)
      const waited = clock.slept.reduce((sum, ms) => sum + ms, 0)
      assert.ok(waited > 200_000 && waited <= 300_000, String(waited))
    })

    it('also waits with the manifest it wants to write', async () => {
      const registry = await start((_seen, response) =>
        registry.seen.length === 1 ? reply(response, 429, {'retry-after': '1'}) : reply(response, 201, manifestHeaders),
      )
      await open(registry.host).store.writeManifest(REPOSITORY, TAG, MANIFEST)
      assert.ok(registry.seen[1]?.body.equals(Buffer.from(MANIFEST.bytes)))
    })

    it('lets the requests that waited go on one after the other', async () => {
      const clock = new ManualClock(1_800_000_000_000)
      const arrivals: number[] = []
      let refuses = true
      const registry = await start((_seen, response) => {
        if (refuses) return reply(response, 429, {'retry-after': '10'})
        arrivals.push(clock.now())
        reply(response, 200, {'content-length': '5'})
      })
      const {store} = open(registry.host, {clock})
      const work = Array.from({length: 6}, () => store.statBlob(REPOSITORY, BLOB.digest))
      await until(() => registry.seen.length === 6)
      refuses = false
      const startMs = clock.now()
      while (arrivals.length < 6) {
        await clock.advance(10)
        await new Promise((resolve) => setTimeout(resolve, 2))
        assert.ok(clock.now() - startMs < 60_000, 'they do not go on')
      }
      await Promise.all(work)
      const gaps = arrivals.slice(1).map((at, index) => at - (arrivals[index] ?? 0))
      assert.ok((arrivals[0] ?? 0) - startMs > 10_000, 'the first comes at the very moment that was named, as of every other client')
      assert.ok(
        gaps.every((gap) => gap >= 50),
        String(gaps),
      )
    })

    it('adds something by chance to the time it was told, so that clients do not come back together', async () => {
      const waits = await Promise.all(
        [0, 0.5, 1].map(async (chance) => {
          const {registry} = await limited('7', 1)
          const clock = new ManualClock(0)
          clock.chance = chance
          const reading = open(registry.host, {clock}).store.readManifest(REPOSITORY, TAG)
          await until(async () => {
            await clock.advance(100)
            return registry.seen.length === 2
          })
          await reading
          return clock.now()
        }),
      )
      assert.ok(
        waits.every((waited, index) => waited >= 7000 && (index === 0 || waited > (waits[index - 1] ?? 0))),
        String(waits),
      )
    })

    it('lets more run at once after bodies, and not after existence checks and tokens', async () => {
      const registry = await start(({method, url, headers}, response) => {
        if (url.startsWith('/token')) return reply(response, 200, {}, {token: `t${registry.seen.length}`, expires_in: 300})
        if (headers.authorization === undefined)
          return reply(response, 401, {'www-authenticate': `Bearer realm="${registry.url}/token",service="s"`})
        if (method === 'HEAD') return reply(response, 200, {'content-length': String(BLOB.size)})
        reply(response, 200, {}, BYTES)
      })
      const {store} = open(registry.host)
      for (let count = 0; count < 20; count++) await store.statBlob(REPOSITORY, BLOB.digest)
      assert.equal(store.blobConcurrency, 6)
      for (let count = 0; count < 6; count++) await store.readBlob(REPOSITORY, BLOB, new CollectingSink())
      assert.equal(store.blobConcurrency, 7)
    })

    it('begins with one blob at a time where bursts are known to be refused, and with fewer after a refusal', async () => {
      const {store} = await limited('1', 1)
      assert.equal(store.blobConcurrency, 6)
      await store.readManifest(REPOSITORY, TAG)
      assert.equal(store.blobConcurrency, 3)
      assert.equal(open('ghcr.io' as RegistryHost).store.blobConcurrency, 1)
    })
  })

  it('asks again after server errors, and says so in the end', async () => {
    const registry = await start((_seen, response) =>
      registry.seen.length < 3 ? reply(response, 503) : reply(response, 200, manifestHeaders, Buffer.from(MANIFEST.bytes)),
    )
    await open(registry.host).store.readManifest(REPOSITORY, TAG)
    const down = await start((_seen, response) => reply(response, 502))
    await assert.rejects(open(down.host).store.readManifest(REPOSITORY, TAG), codes('REGISTRY_UNAVAILABLE'))
    assert.equal(down.seen.length, 5)
  })

  describe('by lying', () => {
    it('about the digest of a tag', async () => {
      const lie = digestOf(Buffer.from('something else'))
      const registry = await start((_seen, response) =>
        reply(response, 200, {...manifestHeaders, 'docker-content-digest': lie}, Buffer.from(MANIFEST.bytes)),
      )
      await assert.rejects(open(registry.host).store.readManifest(REPOSITORY, TAG), codes('INTEGRITY'))
    })

    it('about the digest that was asked for: the bytes decide, not the header', async () => {
      const wanted: Digest = digestOf(Buffer.from('the pinned manifest'))
      const registry = await start((_seen, response) =>
        reply(response, 200, {...manifestHeaders, 'docker-content-digest': wanted}, Buffer.from(MANIFEST.bytes)),
      )
      await assert.rejects(open(registry.host).store.readManifest(REPOSITORY, wanted), codes('INTEGRITY'))
    })

    it('about the part of a blob it sends', async () => {
      for (const contentRange of ['bytes 0-9/10', `bytes 1-${BLOB.size - 1}/${BLOB.size}`, 'garbage']) {
        const registry = await start(({headers}, response) => {
          if (headers.range !== undefined) return reply(response, 206, {'content-range': contentRange}, BYTES.subarray(0, 10))
          response.writeHead(200, {'content-length': String(BLOB.size)})
          response.write(BYTES.subarray(0, 100_000), () => response.destroy())
        })
        await assert.rejects(read(registry.host), codes('INTEGRITY'))
      }
    })

    it('about the size of a blob', async () => {
      const longer = await start((_seen, response) => reply(response, 200, {}, Buffer.concat([BYTES, BYTES])))
      await assert.rejects(read(longer.host), codes('INTEGRITY'))
      const endless = await start((_seen, response) => {
        response.writeHead(200)
        response.on('drain', () => response.write(BYTES))
        response.write(BYTES)
      })
      await assert.rejects(read(endless.host), codes('INTEGRITY'))
    })

    it('with a manifest beyond every limit', async () => {
      const registry = await start((_seen, response) => reply(response, 200, manifestHeaders, Buffer.alloc(5 * 1024 * 1024)))
      await assert.rejects(open(registry.host).store.readManifest(REPOSITORY, TAG), codes('INTEGRITY', 'INVALID_MANIFEST'))
    })
  })

  it('asks with GET where HEAD says too little', async () => {
    for (const head of [405, 200]) {
      const registry = await start(({method}, response) =>
        method === 'HEAD' ? reply(response, head) : reply(response, 200, manifestHeaders, Buffer.from(MANIFEST.bytes)),
      )
      assert.deepEqual(await open(registry.host).store.statManifest(REPOSITORY, TAG), {
        digest: MANIFEST.digest,
        mediaType: MEDIA_TYPE.ociManifest,
        size: MANIFEST.bytes.length,
      })
    }
  })

  describe('in the middle of a download', () => {
    const breaking = (supportsRange: boolean, perTry: number) =>
      start(({headers}, response) => {
        const from = supportsRange ? rangeOf(headers) : 0
        const isLast = supportsRange ? from + perTry >= BLOB.size : registry.value.seen.length > 2
        if (from === 0) response.writeHead(200, {'content-length': String(BLOB.size)})
        else
          response.writeHead(206, {
            'content-length': String(BLOB.size - from),
            'content-range': `bytes ${from}-${BLOB.size - 1}/${BLOB.size}`,
          })
        if (isLast) response.end(BYTES.subarray(from))
        else response.write(BYTES.subarray(from, from + perTry), () => setTimeout(() => response.destroy(), 20))
      })
    const registry: {value: ScriptedRegistry} = {value: {} as ScriptedRegistry}

    it('goes on where it stopped', async () => {
      registry.value = await breaking(true, 1_100_000)
      assert.ok((await read(registry.value.host)).equals(BYTES))
      assert.equal(registry.value.seen.length, 3)
      assert.match(registry.value.seen[1]?.headers.range ?? '', /^bytes=[1-9][0-9]+-$/)
    })

    it('skips what it has when the registry knows no ranges', async () => {
      registry.value = await breaking(false, 700_000)
      assert.ok((await read(registry.value.host)).equals(BYTES))
    })

    it('gives up when nothing comes any more', async () => {
      registry.value = await breaking(true, 0)
      await assert.rejects(read(registry.value.host), codes('NETWORK'))
      assert.equal(registry.value.seen.length, 5)
    })

    it('stops at once when the signal fires, and leaves the sink alone after that', async () => {
      const stop = new AbortController()
      const slow = await start((_seen, response) => {
        response.writeHead(200, {'content-length': String(BLOB.size)})
        response.write(BYTES.subarray(0, 1000))
      })
      const sink: ByteSink = {
        write: (_chunk, release) => {
          release()
          stop.abort()
          return true
        },
      }
      await assert.rejects(open(slow.host).store.readBlob(REPOSITORY, BLOB, sink, {signal: stop.signal}), codes('INTERRUPTED'))
    })
  })

  describe('with tokens', () => {
    it('renews one that expires between POST and PUT, and sends the blob again', async () => {
      let issued = 0
      let expired: string | undefined
      const registry = await start(({method, url, headers}, response) => {
        if (url.startsWith('/token')) return reply(response, 200, {}, {token: `token-${++issued}`, expires_in: 300})
        const isRefused = headers.authorization === undefined || (method === 'PUT' && headers.authorization === expired)
        if (isRefused)
          return reply(response, 401, {'www-authenticate': `Bearer realm="${registry.url}/token",service="s",error="invalid_token"`})
        if (method === 'HEAD') return reply(response, 404)
        if (method === 'POST') {
          expired = headers.authorization
          return reply(response, 202, {location: '/up?state=a%20b'})
        }
        reply(response, 201)
      })
      const {source, starts} = sourceOf(BYTES)
      assert.equal(await open(registry.host).store.writeBlob(REPOSITORY, BLOB, source), 'uploaded')
      assert.deepEqual(starts, [0, 0])
      assert.ok(registry.seen.at(-1)?.body.equals(BYTES))
      assert.equal(registry.seen.at(-1)?.headers.authorization, `Bearer token-${issued}`)
      assert.equal(registry.seen.at(-1)?.url, `/up?state=a%20b&digest=${encodeURIComponent(BLOB.digest)}`)
    })

    it('renews one before it expires', async () => {
      let issued = 0
      const registry = await start(({url, headers}, response) => {
        if (url.startsWith('/token')) return reply(response, 200, {}, {token: `token-${++issued}`, expires_in: 60})
        if (headers.authorization === undefined)
          return reply(response, 401, {'www-authenticate': `Bearer realm="${registry.url}/token",service="s"`})
        reply(response, 200, {'content-length': '5'})
      })
      const {store, clock} = open(registry.host)
      await store.statBlob(REPOSITORY, BLOB.digest)
      await store.statBlob(REPOSITORY, BLOB.digest)
      assert.equal(issued, 1)
      await clock.sleep(50_000)
      await store.statBlob(REPOSITORY, BLOB.digest)
      assert.equal(issued, 2)
    })

    it('asks for another one when a fresh one is refused, once', async () => {
      for (const [refusals, isServed] of [
        [1, true],
        [2, false],
      ] as const) {
        let issued = 0
        const registry = await start(({url, headers}, response) => {
          if (url.startsWith('/token')) return reply(response, 200, {}, {token: `token-${++issued}`, expires_in: 300})
          const number = Number(/token-(\d+)/.exec(headers.authorization ?? '')?.[1] ?? 0)
          if (number <= refusals) return reply(response, 401, {'www-authenticate': `Bearer realm="${registry.url}/token",service="s"`})
          reply(response, 200, {'content-length': '5'})
        })
        const credentials = async () => ({kind: 'basic', username: 'u', password: 'a password'}) as const
        const asking = open(registry.host, {credentials}).store.statBlob(REPOSITORY, BLOB.digest)
        if (isServed) assert.equal(await asking, 5)
        else await assert.rejects(asking, codes('DENIED'))
        assert.equal(issued, 2)
      }
    })

    it('sends an identity token as a form, and no password', async () => {
      const registry = await start(({url, headers}, response) => {
        if (url.startsWith('/token')) return reply(response, 200, {}, {access_token: 'granted'})
        if (headers.authorization !== 'Bearer granted')
          return reply(response, 401, {'www-authenticate': `Bearer realm="${registry.url}/token",service="s"`})
        reply(response, 200, {'content-length': '5'})
      })
      const credentials = async () => ({kind: 'identity-token', token: 'id-tok'}) as const
      await open(registry.host, {credentials}).store.statBlob(REPOSITORY, BLOB.digest)
      const asked = registry.seen.find(({url}) => url.startsWith('/token'))
      assert.deepEqual([asked?.method, asked?.headers.authorization], ['POST', undefined])
      const form = Object.fromEntries(new URLSearchParams(asked?.body.toString()))
      assert.deepEqual(form, {
        grant_type: 'refresh_token',
        client_id: 'holdfast',
        service: 's',
        scope: `repository:${REPOSITORY}:pull`,
        refresh_token: 'id-tok',
      })
    })

    it('takes no answer of more than 64 KiB for a token', async () => {
      const registry = await start(({url}, response) =>
        url.startsWith('/token')
          ? reply(response, 200, {}, {token: 'x'.repeat(100_000)})
          : reply(response, 401, {'www-authenticate': `Bearer realm="${registry.url}/token"`}),
      )
      await assert.rejects(open(registry.host).store.statBlob(REPOSITORY, BLOB.digest), codes('INTEGRITY', 'UNAUTHENTICATED'))
    })
  })

  describe('in the middle of an upload', () => {
    /** Keeps what arrives in a session, breaks the first `breaks` bodies after `perTry` bytes. */
    const breaking = async (breaks: number, perTry: number, tellsOffset: boolean) => {
      let kept = Buffer.alloc(0)
      let sessions = 0
      const registry = await start(
        async ({method, url, headers}, response, request) => {
          if (method === 'HEAD') return reply(response, 404)
          if (method === 'POST') {
            kept = Buffer.alloc(0)
            return reply(response, 202, {location: `/up/${++sessions}`})
          }
          if (method === 'DELETE') return reply(response, 204)
          if (method === 'GET')
            return tellsOffset ? reply(response, 204, {range: `0-${kept.length - 1}`, location: url}) : reply(response, 404)
          const isBroken = Number(headers['content-length']) > 0 && breaks-- > 0
          let taken = 0
          try {
            for await (const chunk of request) {
              const part: Buffer = chunk
              kept = Buffer.concat([kept, isBroken ? part.subarray(0, perTry - taken) : part])
              taken += part.length
              if (isBroken && taken >= perTry) return request.socket.destroy() && undefined
            }
          } catch {
            return
          }
          if (method === 'PATCH') return reply(response, 202, {location: url, range: `0-${kept.length - 1}`})
          const isRight = digestOf(kept) === BLOB.digest
          reply(response, isRight ? 201 : 400, {}, isRight ? '' : {errors: [{code: 'DIGEST_INVALID'}]})
        },
        ({method}) => method === 'PUT' || method === 'PATCH',
      )
      return {registry, ...open(registry.host)}
    }

    it('sends the rest only', async () => {
      const {store, registry} = await breaking(2, 1_500_000, true)
      const {source, starts} = sourceOf(BYTES)
      assert.equal(await store.writeBlob(REPOSITORY, BLOB, source), 'uploaded')
      assert.equal(registry.seen.filter(({method}) => method === 'POST').length, 1)
      assert.equal(starts.length, 3)
      const patched = registry.seen.filter(({method}) => method === 'PATCH').map(({headers}) => headers['content-range'])
      assert.equal(patched[0], `1500000-${BLOB.size - 1}`)
    })

    it('reads from the offset alone when nobody needs the hash', async () => {
      const {registry} = await breaking(1, 1_500_000, true)
      const {store} = open(registry.host, {}, {capabilities: {refusesWrongDigest: true}})
      const {source, starts} = sourceOf(BYTES)
      assert.equal(await store.writeBlob(REPOSITORY, BLOB, source), 'uploaded')
      assert.deepEqual(starts, [0, 1_500_000])
    })

    it('begins anew where the registry has forgotten the session', async () => {
      const {store, registry} = await breaking(1, 100_000, false)
      assert.equal(await store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source), 'uploaded')
      assert.equal(registry.seen.filter(({method}) => method === 'POST').length, 2)
    })

    it('gives up when it never ends', async () => {
      const {store, registry} = await breaking(99, 1000, true)
      await assert.rejects(store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source), codes('NETWORK'))
      assert.equal(registry.seen.at(-1)?.method, 'DELETE')
    })
  })

  it('sends chunks where one PUT is refused, of at least the size wanted, and remembers it', async () => {
    const big = randomBytes(20 * 1024 * 1024 + 1)
    const parts: Buffer[] = []
    const registry = await start(({method, headers, body, url}, response) => {
      if (method === 'HEAD') return reply(response, 404)
      if (method === 'POST') return reply(response, 202, {location: '/up', 'oci-chunk-min-length': String(9 * 1024 * 1024)})
      if (method === 'DELETE') return reply(response, 204)
      if (method === 'PUT') return reply(response, body.length > 0 ? 413 : 201)
      assert.equal(headers['content-range'], `${Buffer.concat(parts).length}-${Buffer.concat(parts).length + body.length - 1}`)
      parts.push(body)
      reply(response, 202, {location: url})
    })
    const {store} = open(registry.host)
    assert.equal(
      await store.writeBlob(REPOSITORY, {digest: digestOf(big), size: big.length}, sourceOf(big, 512 * 1024 + 1).source),
      'uploaded',
    )
    assert.ok(Buffer.concat(parts).equals(big))
    assert.deepEqual(
      parts.map(({length}) => length),
      [9 * 1024 * 1024, 9 * 1024 * 1024, 2 * 1024 * 1024 + 1],
    )
    const before = registry.seen.length
    parts.length = 0
    await store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source)
    assert.deepEqual(
      registry
        .lines()
        .slice(before)
        .map((line) => line.split(' ')[0]),
      ['HEAD', 'POST', 'PATCH', 'PUT'],
    )
  })

  it('sends smaller and smaller chunks until a proxy lets them through, and remembers the size', async () => {
    const limitBytes = 1024 * 1024
    const big = randomBytes(9 * 1024 * 1024)
    let kept = 0
    const accepted: number[] = []
    const registry = await start(({method, headers, body, url}, response) => {
      if (method === 'HEAD') return reply(response, 404)
      if (method === 'POST') {
        kept = 0
        return reply(response, 202, {location: '/up'})
      }
      if (method === 'DELETE') return reply(response, 204)
      if (body.length > limitBytes) return reply(response, 413, {}, '<html><center>nginx</center></html>')
      if (method === 'PUT') return reply(response, 201)
      assert.equal(headers['content-range'], `${kept}-${kept + body.length - 1}`)
      kept += body.length
      accepted.push(body.length)
      reply(response, 202, {location: url})
    })
    const {store} = open(registry.host)
    assert.equal(await store.writeBlob(REPOSITORY, {digest: digestOf(big), size: big.length}, sourceOf(big).source), 'uploaded')
    assert.deepEqual(accepted, Array(9).fill(limitBytes))
    const before = registry.seen.length
    await store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source)
    assert.deepEqual(
      registry
        .lines()
        .slice(before)
        .map((line) => line.split(' ')[0]),
      ['HEAD', 'POST', 'PATCH', 'PATCH', 'PATCH', 'PATCH', 'PUT'],
    )
  })

  it('says that a proxy limits requests where not even small chunks get through', async () => {
    const registry = await start(({method, body}, response) => {
      if (method === 'HEAD') return reply(response, 404)
      if (method === 'POST') return reply(response, 202, {location: '/up'})
      reply(response, body.length > 0 ? 413 : 204)
    })
    await assert.rejects(open(registry.host).store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source), (error) => {
      assert.ok(hasCode(error, 'UNSUPPORTED'))
      assert.match(error.message, /answered 413; a proxy before it, or itself, limits the size of a request/)
      assert.ok(!error.hints.join().includes('login'))
      return true
    })
    assert.ok(registry.seen.length < 20, `${registry.seen.length} requests`)
  })

  describe('and the layer that retries', () => {
    const deadSource = () => start((_seen, response) => void response.destroy())

    it('is one: a blob of a dead source is asked for five times, and the target is not asked again', async () => {
      const source = await deadSource()
      const target = await start(({method}, response) =>
        reply(response, method === 'HEAD' ? 404 : method === 'POST' ? 202 : 204, {location: '/up'}),
      )
      const from = open(source.host).store
      const writing = open(target.host).store.writeBlob(REPOSITORY, BLOB, (sink, at, signal) =>
        from.readBlob(REPOSITORY, BLOB, sink, {...(signal === undefined ? {} : {signal}), ...(at === 0 ? {} : {range: {start: at}})}),
      )
      await assert.rejects(writing, codes('NETWORK'))
      assert.equal(source.seen.length, 5)
      assert.deepEqual(
        target.seen.map(({method}) => method),
        ['HEAD', 'POST', 'DELETE'],
      )
    })

    it('is not the target for a source of another kind that fails', async () => {
      const target = await start(({method}, response) =>
        reply(response, method === 'HEAD' ? 404 : method === 'POST' ? 202 : 204, {location: '/up'}),
      )
      let starts = 0
      const writing = open(target.host).store.writeBlob(REPOSITORY, BLOB, async () => {
        starts++
        throw new HoldfastError('NETWORK', 'cannot read the request body: the client closed the connection')
      })
      await assert.rejects(writing, codes('NETWORK'))
      assert.equal(starts, 1)
    })

    it('asks a token endpoint that is down five times, however often the blob would be asked for', async () => {
      const registry = await start(({url}, response) =>
        url.startsWith('/token')
          ? reply(response, 503)
          : reply(response, 401, {'www-authenticate': `Bearer realm="${registry.url}/token",service="s"`}),
      )
      const reading = open(registry.host).store.readBlob(REPOSITORY, BLOB, new CollectingSink())
      await assert.rejects(reading, (error) => {
        assert.ok(hasCode(error, 'REGISTRY_UNAVAILABLE'))
        assert.match(error.message, new RegExp(`token endpoint "${registry.host}" answered 503`))
        return true
      })
      assert.equal(registry.seen.filter(({url}) => url.startsWith('/token')).length, 5)
    })

    for (const status of [408, 425, 500, 503]) {
      it(`repeats what was answered with ${status}`, async () => {
        const registry = await start((_seen, response) =>
          registry.seen.length < 3 ? reply(response, status) : reply(response, 200, manifestHeaders, Buffer.from(MANIFEST.bytes)),
        )
        assert.equal((await open(registry.host).store.readManifest(REPOSITORY, TAG))?.digest, MANIFEST.digest)
      })
    }
  })

  it('lets no wrong blob become whole at a registry that checks nothing', async () => {
    let whole = 0
    let most = 0
    const registry = await start(
      async ({method}, response, request) => {
        if (method === 'HEAD') return reply(response, 404)
        if (method === 'POST') return reply(response, 202, {location: '/up'})
        if (method === 'DELETE') return reply(response, 204)
        let taken = 0
        try {
          for await (const chunk of request) taken += chunk.length
          whole++
        } catch {
          most = Math.max(most, taken)
        }
        if (!response.destroyed) reply(response, 201)
      },
      ({method}) => method === 'PUT',
    )
    const wrong = randomBytes(BLOB.size)
    const {store} = open(registry.host)
    await assert.rejects(store.writeBlob(REPOSITORY, BLOB, sourceOf(wrong).source), (error) => {
      assert.ok(hasCode(error, 'INTEGRITY'))
      assert.deepEqual([error.details.expected, error.details.actual], [BLOB.digest, digestOf(wrong)])
      return true
    })
    await assert.rejects(store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES.subarray(1)).source), codes('INTEGRITY'))
    await assert.rejects(store.writeBlob(REPOSITORY, BLOB, sourceOf(Buffer.concat([BYTES, BYTES])).source), codes('INTEGRITY'))
    assert.equal(whole, 0)
    assert.ok(most < BLOB.size)
    assert.equal(registry.seen.filter(({method}) => method === 'DELETE').length, 3)
  })

  it('sends the blob when no right to mount is given', async () => {
    const registry = await start(({method, url}, response) => {
      if (url.includes('mount=')) return reply(response, 403, {}, {errors: [{code: 'DENIED', message: 'no'}]})
      if (method === 'HEAD') return reply(response, 404)
      reply(response, method === 'POST' ? 202 : 201, {location: '/up'})
    })
    assert.equal(await open(registry.host).store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source, {mountFrom: OTHER}), 'uploaded')
  })

  it('looks for no blob that is known to be absent', async () => {
    const registry = await start(({method}, response) => reply(response, method === 'POST' ? 202 : 201, {location: '/up'}))
    await open(registry.host).store.writeBlob(REPOSITORY, BLOB, sourceOf(BYTES).source, {isAbsent: true})
    assert.deepEqual(
      registry.seen.map(({method}) => method),
      ['POST', 'PUT'],
    )
  })

  describe('with lists', () => {
    const tags = async (host: string) => {
      const found: string[] = []
      for await (const tag of open(host).store.listTags(REPOSITORY)) found.push(tag)
      return found
    }

    it('follows links, and tags that come twice are one', async () => {
      const registry = await start(({url}, response) =>
        url.includes('page=2')
          ? reply(response, 200, {}, {tags: ['b', 'c']})
          : reply(response, 200, {link: '</v2/team/app/tags/list?page=2>; rel="next"'}, {tags: ['a', 'b', '../evil']}),
      )
      assert.deepEqual(await tags(registry.host), ['a', 'b', 'c'])
    })

    it('ends when a registry gives the same page for ever', async () => {
      const same = Array.from({length: 1000}, (_, index) => `t${1000 + index}`)
      const registry = await start((_seen, response) => reply(response, 200, {}, {tags: same}))
      assert.deepEqual(await tags(registry.host), same)
      assert.equal(registry.seen.length, 2)
    })

    it('stops at a list that never ends, and says so', async () => {
      let page = 0
      const registry = await start((_seen, response) =>
        reply(response, 200, {link: `</v2/team/app/tags/list?page=${++page}>; rel="next"`}, {tags: [`t${page}`]}),
      )
      await assert.rejects(tags(registry.host), codes('GRAPH_TOO_DEEP'))
      assert.ok(registry.seen.length <= 1000)
    })

    it('is empty for null, and an error for something else', async () => {
      const none = await start((_seen, response) => reply(response, 200, {}, {tags: null}))
      assert.deepEqual(await tags(none.host), [])
      const page = await start((_seen, response) => reply(response, 200, {}, '<html>'))
      await assert.rejects(tags(page.host), codes('UNSUPPORTED'))
    })
  })

  describe('with referrers', () => {
    const index = (...digests: readonly Digest[]) =>
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MEDIA_TYPE.ociIndex,
          manifests: digests.map((digest) => ({mediaType: MEDIA_TYPE.ociManifest, digest, size: 5})),
        }),
      )
    const referrer = digestOf(Buffer.from('referrer'))
    const isIndex = {'content-type': MEDIA_TYPE.ociIndex}

    it('stops at pages that never end, and says so', async () => {
      let page = 0
      const registry = await start((_seen, response) =>
        reply(
          response,
          200,
          {'content-type': MEDIA_TYPE.ociIndex, link: `</v2/team/app/referrers/${MANIFEST.digest}?page=${++page}>; rel="next"`},
          {schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: []},
        ),
      )
      await assert.rejects(open(registry.host).store.listReferrers(REPOSITORY, MANIFEST.digest), codes('GRAPH_TOO_DEEP'))
      assert.ok(registry.seen.length <= 101)
    })

    it('asks the API, and no fallback tag then', async () => {
      const registry = await start((_seen, response) => reply(response, 200, isIndex, index(referrer)))
      const found = await open(registry.host).store.listReferrers(REPOSITORY, MANIFEST.digest)
      assert.deepEqual(
        found.map(({digest}) => digest),
        [referrer],
      )
      assert.deepEqual(registry.lines(), [`GET /v2/${REPOSITORY}/referrers/${MANIFEST.digest}`])
    })

    it('asks for the fallback tag where the API is missing or somebody else answers, and for the API once only', async () => {
      for (const answer of [404, 400, 200]) {
        const registry = await start(({url}, response) =>
          url.includes('/referrers/') ? reply(response, answer, {}, '<html>') : reply(response, 200, isIndex, index(referrer)),
        )
        const {store} = open(registry.host)
        for (const _ of [1, 2])
          assert.deepEqual(
            (await store.listReferrers(REPOSITORY, MANIFEST.digest)).map(({digest}) => digest),
            [referrer],
          )
        assert.equal(registry.lines().filter((line) => line.includes('/referrers/')).length, 1)
      }
    })

    it('has none where the fallback tag turns out to be the subject itself, as at GitLab', async () => {
      const subject = index(referrer)
      const registry = await start(({url}, response) =>
        url.includes('/referrers/') ? reply(response, 404) : reply(response, 200, isIndex, subject),
      )
      assert.deepEqual(await open(registry.host).store.listReferrers(REPOSITORY, digestOf(subject)), [])
    })

    it('writes no fallback tag where the registry took note of the subject', async () => {
      const raw = createRawManifest(
        MEDIA_TYPE.ociManifest,
        Buffer.from(
          JSON.stringify({
            schemaVersion: 2,
            config: {mediaType: MEDIA_TYPE.ociConfig, digest: BLOB.digest, size: BLOB.size},
            layers: [],
            subject: {mediaType: MEDIA_TYPE.ociManifest, digest: MANIFEST.digest, size: 5},
          }),
        ),
      )
      const registry = await start((_seen, response) =>
        reply(response, 201, {'oci-subject': MANIFEST.digest, 'docker-content-digest': raw.digest}),
      )
      await open(registry.host).store.writeManifest(REPOSITORY, raw.digest, raw)
      assert.equal(registry.seen.length, 1)
    })
  })

  it('says UNSUPPORTED where nothing is deleted', async () => {
    for (const status of [405, 400]) {
      const registry = await start((_seen, response) => reply(response, status, {}, {errors: [{code: 'UNSUPPORTED'}]}))
      await assert.rejects(open(registry.host).store.deleteTag(REPOSITORY, TAG), codes('UNSUPPORTED'))
    }
  })
})
