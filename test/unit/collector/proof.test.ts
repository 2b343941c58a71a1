import assert from 'node:assert/strict'
import {createKeyRings} from '../../../src/lib/collector/key-ring.ts'
import type {ManagedRegistry} from '../../../src/lib/collector/objects.ts'
import {Prover, proveRegistry} from '../../../src/lib/collector/proof.ts'
import type {ProbeRegistry} from '../../../src/lib/collector/trust-check.ts'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'

const NOW = new Date('2026-01-01T00:00:00.000Z')
const ASKS = (service: string) => ({
  status: 401,
  headers: {'www-authenticate': `Bearer realm="https://c.example.com/token",service="${service}"`},
})
const TAKES = {status: 200, headers: {}}

const REGISTRY: ManagedRegistry = {
  id: 7,
  name: 'lab',
  service: 'lab',
  url: 'https://lab.example.com',
  insecure: false,
  restricted: true,
  publications: [],
  responsibles: [],
  tokenHeader: 'x5c',
  tokenLifeSeconds: 900,
  createdAt: '',
}
const PROVEN: ManagedRegistry = {...REGISTRY, provenAt: '2025-12-31T00:00:00.000Z'}

describe('the proof of a registry', () => {
  let recorded: (string | undefined)[]
  let sent: string[]
  let documents: Map<string, string>

  beforeEach(() => {
    recorded = []
    sent = []
    documents = new Map()
  })

  const options = (answer: ProbeRegistry, now = () => NOW) => ({
    store: {
      markProven: async (_registry: unknown, provenAt: string | undefined): Promise<void> => {
        recorded.push(provenAt)
      },
    },
    keys: createKeyRings(
      {
        readDocument: async (name) => documents.get(name),
        async replaceDocument(name, _previous, content) {
          documents.set(name, content)
          return true
        },
      },
      now,
    ),
    issuer: 'holdfast',
    now,
    openProbe: async (): Promise<ProbeRegistry> => async (path, token) => {
      if (token !== undefined) sent.push(token)
      return await answer(path, token)
    },
  })
  const unproven = (error: unknown): boolean => hasCode(error, 'CONFIGURATION') && /has not proven that it trusts/.test(error.message)

  it('is a challenge of its service and a token without rights that it takes', async () => {
    await proveRegistry(
      REGISTRY,
      options(async (_path, token) => (token === undefined ? ASKS('lab') : TAKES)),
    )
    assert.deepEqual(recorded, [NOW.toISOString()])
    const [, body = ''] = sent[0]?.split('.') ?? []
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as {aud: string; access: unknown[]}
    assert.deepEqual([claims.aud, claims.access], ['lab', []])
  })

  it('is none for a registry of others, which is sent no token', async () => {
    for (const answer of [ASKS('victim'), {status: 200, headers: {}}, {status: 401, headers: {'www-authenticate': 'Basic realm="x"'}}]) {
      await assert.rejects(
        proveRegistry(
          REGISTRY,
          options(async () => answer),
        ),
        unproven,
      )
    }
    assert.deepEqual([recorded, sent], [[], []])
  })

  it('is none where our tokens are refused', async () => {
    await assert.rejects(
      proveRegistry(
        REGISTRY,
        options(async () => ASKS('lab')),
      ),
      unproven,
    )
    assert.deepEqual(recorded, [])
  })

  it('stays while the registry is down, refuses a token or does not respond, and ends when something else is there', async () => {
    const down = async (): Promise<never> => {
      throw new HoldfastError('NETWORK', 'cannot connect')
    }
    for (const answer of [down, async () => ({status: 503, headers: {}}), async () => ASKS('lab')])
      await proveRegistry(PROVEN, options(answer))
    assert.deepEqual(recorded, [])
    await assert.rejects(
      proveRegistry(
        PROVEN,
        options(async () => ASKS('victim')),
      ),
      unproven,
    )
    assert.deepEqual(recorded, [undefined])
    await assert.rejects(proveRegistry(REGISTRY, options(down)), (error) => hasCode(error, 'NETWORK'))
  })

  it('is not needed for the registry of serve', async () => {
    await proveRegistry(
      {...REGISTRY, name: 'embedded'},
      options(async () => assert.fail('it was asked')),
    )
  })

  it('is asked for once by many events, and again after ten seconds', async () => {
    let time = NOW.getTime()
    let asked = 0
    let answer = ASKS('victim')
    const prover = new Prover(
      options(
        async (_path, token) => {
          asked++
          return token === undefined ? answer : TAKES
        },
        () => new Date(time),
      ),
    )
    assert.deepEqual(await Promise.all([1, 2, 3].map(() => prover.isProven(REGISTRY))), [false, false, false])
    assert.deepEqual([await prover.isProven(REGISTRY), asked], [false, 1])
    time += 10_000
    answer = ASKS('lab')
    assert.equal(await prover.isProven(REGISTRY), true)
    assert.equal(await prover.isProven(PROVEN), true)
  })
})
