import assert from 'node:assert/strict'
import {HoldfastError} from '../../src/lib/core/errors.ts'
import {formatReference, parseRegistryHost, type RegistryHost} from '../../src/lib/oci/reference.ts'
import {startWarmSchedule, type WarmTurn} from '../../src/lib/warming/schedule.ts'
import {imagesOfAccessLog, imagesOfEvents} from '../../src/lib/warming/seen.ts'

const HUB = parseRegistryHost('docker.io')
const names = (images: Parameters<typeof formatReference>[0][]) => images.map(formatReference)
const line = (request: string, status = 200) =>
  `10.0.0.1 - - [21/Nov/2026:03:00:00 +0000] "${request} HTTP/1.1" ${status} 12 "-" "containerd/2"`

describe('images that a log has seen', () => {
  it('are those that were pulled by tag, each once, newest first', () => {
    const log = [
      line('GET /v2/library/alpine/manifests/3.20'),
      line('GET /v2/acme/web/manifests/v1?ns=ghcr.io'),
      line('GET /v2/ghcr.io/acme/tool/manifests/v2'),
      line('GET /v2/library/alpine/manifests/3.20'),
      line('HEAD /v2/library/redis/manifests/7'),
      line('GET /v2/library/redis/manifests/8', 404),
      line(`GET /v2/library/redis/manifests/sha256:${'0'.repeat(64)}`),
      line('GET /v2/library/redis/blobs/sha256:1'),
      line('GET /v2/../etc/manifests/passwd'),
      line('GET /v2/x/manifests/1?ns=a b'),
      'no line of a log',
    ].join('\n')
    assert.deepEqual(names([...imagesOfAccessLog(log, HUB, [parseRegistryHost('ghcr.io')])]), [
      'docker.io/library/alpine:3.20',
      'ghcr.io/acme/tool:v2',
      'ghcr.io/acme/web:v1',
    ])
  })

  it('are at the registries that told of them, where those are known', () => {
    const event = (registry: string, action: string, repository: string, tag?: string) => ({registry, action, repository, tag})
    const hosts = new Map<string, RegistryHost>([['internal', parseRegistryHost('registry.example.com')]])
    const events = [
      event('internal', 'pull', 'team/a', 'v1'),
      event('internal', 'push', 'team/b', 'v1'),
      event('internal', 'pull', 'team/c'),
      event('gone', 'pull', 'team/d', 'v1'),
      event('internal', 'pull', 'team/e', 'v2'),
      event('internal', 'pull', 'team/a', 'v1'),
    ]
    assert.deepEqual(names([...imagesOfEvents(events, hosts)]), ['registry.example.com/team/a:v1', 'registry.example.com/team/e:v2'])
  })
})

describe('warming while something is served', () => {
  it('is done again and again, by one of several, and goes on after a failure', async () => {
    const turns: WarmTurn[] = []
    const waits: number[] = []
    let [left, isFree, released] = [4, true, 0]
    const done = Promise.withResolvers<void>()
    const schedule = startWarmSchedule({
      everyMs: 1000,
      warm: async () => {
        if (turns.length === 1) throw new HoldfastError('CONFIGURATION', 'the list is gone')
        return [{line: 1, image: 'a', outcome: 'there', sizeBytes: 1}]
      },
      tryLock: async () => {
        if (turns.length === 2) isFree = false
        return isFree ? async () => void released++ : undefined
      },
      report: (turn) => {
        turns.push(turn)
        if (--left === 0) done.resolve()
        isFree = true
      },
      clock: {
        now: () => 0,
        random: () => 0.5,
        async sleep(ms, signal) {
          waits.push(ms)
          if (left === 0 && signal?.aborted !== true)
            await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve()))
        },
      },
    })
    await done.promise
    await schedule.stop()
    assert.deepEqual(
      turns.map(({kind}) => kind),
      ['warmed', 'failed', 'elsewhere', 'warmed'],
    )
    assert.deepEqual([waits.slice(0, 3), released], [[1000, 1000, 1000], 1], 'what failed, another may try')
  })
})
