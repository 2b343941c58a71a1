import assert from 'node:assert/strict'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {
  diegoRules,
  holeForRange,
  holesFor,
  networkPolicy,
  nftablesRules,
  securityGroupRules,
} from '../../../src/lib/staging/egress/rules.ts'

describe('egress rules', () => {
  const holes = holesFor([
    {host: '10.244.2.6', port: 8080},
    {host: '2001:db8::7', port: 5000},
  ])

  it('are one for each instance, in the form of their platform, and no more', () => {
    assert.deepEqual(diegoRules(holes), [
      {protocol: 'tcp', destinations: ['10.244.2.6'], ports: [8080]},
      {protocol: 'tcp', destinations: ['2001:db8::7'], ports: [5000]},
    ])
    assert.deepEqual(securityGroupRules(holes), [
      {protocol: 'tcp', destination: '10.244.2.6', ports: '8080'},
      {protocol: 'tcp', destination: '2001:db8::7', ports: '5000'},
    ])
    assert.deepEqual(networkPolicy(holes, 'docker-cache', {app: 'staging'}), {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {name: 'docker-cache'},
      spec: {
        podSelector: {matchLabels: {app: 'staging'}},
        policyTypes: ['Egress'],
        egress: [
          {to: [{ipBlock: {cidr: '10.244.2.6/32'}}], ports: [{protocol: 'TCP', port: 8080}]},
          {to: [{ipBlock: {cidr: '2001:db8::7/128'}}], ports: [{protocol: 'TCP', port: 5000}]},
        ],
      },
    })
    assert.match(nftablesRules(holes), /ip daddr 10\.244\.2\.6 tcp dport 8080 accept\n\s+ip6 daddr 2001:db8::7 tcp dport 5000 accept/)
    assert.deepEqual(diegoRules([]), [])
  })

  it('are one for a range where that is asked for', () => {
    assert.deepEqual(diegoRules([holeForRange('10.244.2.0/24', 8080)]), [{protocol: 'tcp', destinations: ['10.244.2.0/24'], ports: [8080]}])
  })

  it('are refused for names, and for what is no range', () => {
    assert.throws(
      () => holesFor([{host: 'cache.example.com', port: 80}]),
      (error) => hasCode(error, 'USAGE'),
    )
    for (const [cidr, port] of [
      ['10.0.0.0', 80],
      ['10.0.0.0/33', 80],
      ['x/8', 80],
      ['10.0.0.0/8/8', 80],
      ['10.0.0.0/8', 0],
      ['::/129', 80],
    ] as const) {
      assert.throws(
        () => holeForRange(cidr, port),
        (error) => hasCode(error, 'USAGE'),
        cidr,
      )
    }
  })
})
