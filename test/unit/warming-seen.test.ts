import assert from 'node:assert/strict'
import {HoldfastError} from '../../src/lib/core/errors.ts'
import {formatReference, parseRegistryHost, type RegistryHost} from '../../src/lib/oci/reference.ts'
import {startWarmSchedule, type WarmTurn} from '../../src/lib/warming/schedule.ts'
import {imagesOfAccessLog, imagesOfEvents} from '../../src/lib/warming/seen.ts'

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
    assert.deepEqual(
      names([
        ...imagesOfAccessLog(log, [
          {name: 'docker.io', path: 'docker.io'},
          {name: 'ghcr.io', path: 'ghcr.io'},
        ]),
      ]),
      ['docker.io/library/redis:7', 'docker.io/library/alpine:3.20', 'ghcr.io/acme/tool:v2', 'ghcr.io/acme/web:v1'],
    )
  })

  it('are named by ns= and by the first part of the repository, as the mirror reads them', () => {
    const log = [
      line('GET /v2/docker.io/alpine/manifests/1'),
      line('GET /v2/quay.io/acme/web/manifests/2'),
      line('GET /v2/acme/web/manifests/3?ns=registry-1.docker.io'),
      line('GET /v2/ghcr.io/acme/web/manifests/4?ns=ghcr.io'),
      line('GET /v2/ghcr.io/acme/web/manifests/5?ns=quay.io'),
      line('GET /v2/localhost_5000/acme/web/manifests/6'),
      line('GET /v2/acme/web/manifests/7'),
      line('GET /v2/harbor.example.com/proxy/acme/web/manifests/8'),
      line('GET /v2/harbor.example.com/proxy/acme/web/manifests/9?ns=harbor.example.com'),
    ]
    const upstreams = [
      {name: 'docker.io', path: 'docker.io'},
      {name: 'localhost:5000', path: 'localhost_5000'},
      {name: 'harbor.example.com/proxy', path: 'harbor.example.com/proxy'},
    ]
    assert.deepEqual(names([...imagesOfAccessLog(log.toReversed().join('\n'), upstreams)]), [
      'docker.io/library/alpine:1',
      'quay.io/acme/web:2',
      'docker.io/acme/web:3',
      'ghcr.io/acme/web:4',
      'localhost:5000/acme/web:6',
      'docker.io/acme/web:7',
      'harbor.example.com/proxy/acme/web:8',
      'harbor.example.com/proxy/acme/web:9',
    ])
  })

  it('are those of containerd and dockerd too, which look a tag up and pull its digest', () => {
    const digest = `sha256:${'0'.repeat(64)}`
    const other = (text: string) => text.replace('10.0.0.1', '10.0.0.2')
    const log = [
      line('HEAD /v2/library/old/manifests/1'),
      line('HEAD /v2/library/pulled/manifests/1?ns=docker.io'),
      line(`GET /v2/library/pulled/manifests/${digest}?ns=docker.io`),
      line(`GET /v2/library/pulled/manifests/${digest}?ns=docker.io`),
      line('HEAD /v2/library/looked-at/manifests/1'),
      other(line(`GET /v2/library/looked-at/manifests/${digest}`)),
    ]
    assert.deepEqual(names([...imagesOfAccessLog(log.join('\n'))]), ['docker.io/library/pulled:1'])
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
