import assert from 'node:assert/strict'
import type {TrustingEndpoint} from '../../../src/lib/content/remote/realm-trust.ts'
import {createReferralGuard} from '../../../src/lib/content/remote/referral-guard.ts'
import {createAddressPolicy} from '../../../src/lib/core/address-policy.ts'
import type {RegistryHost} from '../../../src/lib/oci/reference.ts'

const REGISTRY = new URL('https://registry.example')
const ELSEWHERE = new URL('https://storage.example')
const ENDPOINT: TrustingEndpoint = {registry: 'registry.example' as RegistryHost}

/** Whether another host may be at `address` for a registry that was reached at these addresses. */
function mayBe(address: string, reachedAt: readonly string[], endpoint: Partial<TrustingEndpoint> = {}): boolean {
  const guard = createReferralGuard({...ENDPOINT, ...endpoint})
  for (const own of reachedAt) guard.connected?.(REGISTRY, own)
  return guard.refusal(ELSEWHERE, address) === undefined
}

describe('the addresses that a registry may lead to', () => {
  const METADATA = [
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    'fe80::1',
    'fd00:ec2::254',
    '0.0.0.0',
    '::',
    '100.100.100.200',
  ]

  for (const [reachedAt, loopback, inside] of [
    [[], false, false],
    [['203.0.113.1'], false, false],
    [['10.0.0.1'], false, true],
    [['127.0.0.1'], true, true],
    [['::ffff:127.0.0.1', '::1'], true, true],
    [['169.254.169.254'], false, false],
    // One name that is now outside and now inside.
    [['203.0.113.1', '10.0.0.1'], false, false],
    [['10.0.0.1', '203.0.113.1'], false, false],
    [['127.0.0.1', '10.0.0.1'], false, true],
  ] as const) {
    it(`are public ones${inside ? ', private ones' : ''}${loopback ? ', loopback' : ''} for a registry at ${reachedAt.join(', then ') || 'an unknown address'}`, () => {
      for (const address of ['203.0.113.9', '2001:db8::1', '64:ff9b::cb00:7109']) assert.ok(mayBe(address, reachedAt), address)
      for (const address of ['10.1.2.3', '192.168.1.1', '100.64.0.1', 'fd12::1', '::ffff:10.1.2.3', '64:ff9b::a01:203', '2002:a01:203::1'])
        assert.equal(mayBe(address, reachedAt), inside, address)
      for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1', '::7f00:1', '64:ff9b::7f00:1'])
        assert.equal(mayBe(address, reachedAt), loopback, address)
      for (const address of METADATA) assert.equal(mayBe(address, reachedAt), false, address)
    })
  }

  it('are private ones as well where the user trusts the host, and never this machine or where clouds keep secrets', () => {
    for (const endpoint of [{trustedHosts: ['storage.example']}, {pinnedHosts: ['storage.example:443']}]) {
      assert.ok(mayBe('10.1.2.3', ['203.0.113.1'], endpoint))
      for (const address of ['127.0.0.1', ...METADATA]) assert.equal(mayBe(address, ['203.0.113.1'], endpoint), false, address)
    }
    assert.equal(mayBe('10.1.2.3', ['203.0.113.1'], {trustedHosts: ['storage.example:444']}), false)
  })

  it('come with the command that allows one where there is one', () => {
    const guard = createReferralGuard(ENDPOINT)
    assert.match(
      guard.refusal(ELSEWHERE, '10.1.2.3')?.hints.join() ?? '',
      /^holdfast login registry\.example --trust-host storage\.example /,
    )
    assert.deepEqual(guard.refusal(ELSEWHERE, '169.254.169.254')?.hints, [])
    assert.deepEqual(guard.refusal(ELSEWHERE, '127.0.0.1')?.hints, [])
  })

  it('are not those of the registry itself, which may be anywhere that the policy allows', () => {
    const guard = createReferralGuard({...ENDPOINT, apiHost: 'api.example'})
    for (const own of [REGISTRY, new URL('https://registry.example:8443'), new URL('https://api.example')])
      for (const address of ['127.0.0.1', '10.0.0.1', '203.0.113.1']) assert.equal(guard.refusal(own, address), undefined)
    const bounded = createReferralGuard(ENDPOINT, createAddressPolicy(['192.0.2.0/24']))
    assert.notEqual(bounded.refusal(REGISTRY, '10.0.0.1'), undefined)
    assert.equal(bounded.refusal(REGISTRY, '192.0.2.1'), undefined)
    assert.notEqual(bounded.refusal(ELSEWHERE, '203.0.113.1'), undefined)
  })

  it('do not follow from connections to other hosts', () => {
    const guard = createReferralGuard(ENDPOINT)
    guard.connected?.(ELSEWHERE, '127.0.0.1')
    assert.notEqual(guard.refusal(ELSEWHERE, '127.0.0.1'), undefined)
  })
})
