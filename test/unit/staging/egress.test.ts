import assert from 'node:assert/strict'
import {BlockList, isIP} from 'node:net'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {createListedSource} from '../../../src/lib/service-discovery/instance.ts'
import {networkPolicy, parseOrigin} from '../../../src/lib/staging/egress/network-policy.ts'
import {nftablesSets} from '../../../src/lib/staging/egress/nftables.ts'
import {diegoRules, findHoles, type Hole, holeForRange, securityGroupRules} from '../../../src/lib/staging/egress/rules.ts'
import {assertKubernetesObject} from '../../support/kubernetes-schema.ts'

describe('egress rules', () => {
  let holes: readonly Hole[]
  before(async () => {
    holes = await findHoles(createListedSource(['10.244.2.6:8080', '[2001:db8::7]:5000']), {allowEmpty: false})
  })

  it('are one for each instance, in the form of their platform, and no more', () => {
    assert.deepEqual(diegoRules(holes), [
      {protocol: 'tcp', destinations: ['10.244.2.6'], ports: [8080]},
      {protocol: 'tcp', destinations: ['2001:db8::7'], ports: [5000]},
    ])
    assert.deepEqual(securityGroupRules(holes), [
      {protocol: 'tcp', destination: '10.244.2.6', ports: '8080'},
      {protocol: 'tcp', destination: '2001:db8::7', ports: '5000'},
    ])
  })

  it('are sets of the table that drops, with the rules that use them', () => {
    assert.equal(
      nftablesSets(holes, {table: 'inet filter', chain: 'forward', name: 'docker-cache'}),
      `# The instances of the cache, as sets of the table "inet filter". Load them with: nft -f FILE
# Loading the file again replaces them in one step.
add set inet filter docker-cache-v4 { type ipv4_addr . inet_service; flags interval; }
flush set inet filter docker-cache-v4
add element inet filter docker-cache-v4 { 10.244.2.6 . 8080 }
add set inet filter docker-cache-v6 { type ipv6_addr . inet_service; flags interval; }
flush set inet filter docker-cache-v6
add element inet filter docker-cache-v6 { 2001:db8::7 . 5000 }
# Once, so that the table lets staging reach them before it drops the rest:
#   nft insert rule inet filter forward ip daddr . tcp dport @docker-cache-v4 accept
#   nft insert rule inet filter forward ip6 daddr . tcp dport @docker-cache-v6 accept
`,
    )
    for (const [table, chain, name] of [
      ['filter', 'forward', 'cache'],
      ['bridge filter', 'forward', 'cache'],
      ['inet filter more', 'forward', 'cache'],
      ['constructor filter', 'forward', 'cache'],
      ['inet filter', 'forward accept', 'cache'],
      ['inet filter', 'forward', 'cache\nflush ruleset'],
      // The second instance has an IPv6 address.
      ['ip filter', 'forward', 'cache'],
    ] as const) {
      assert.throws(
        () => nftablesSets(holes, {table, chain, name}),
        (error) => hasCode(error, 'USAGE') && error.hints.length === 1,
        `${table} ${chain} ${name}`,
      )
    }
  })

  it('of a NetworkPolicy leave DNS and the origin reachable, since a policy denies what it does not name', async () => {
    const policy = networkPolicy(holes, {
      name: 'docker-cache',
      selector: {app: 'staging'},
      origins: [parseOrigin('10.1.2.0/24:5000'), parseOrigin('[2001:db8::9]:443')],
    })
    await assertKubernetesObject(policy as {apiVersion: string; kind: string})
    assert.deepEqual(policy, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {name: 'docker-cache'},
      spec: {
        podSelector: {matchLabels: {app: 'staging'}},
        policyTypes: ['Egress'],
        egress: [
          {
            ports: [
              {protocol: 'UDP', port: 53},
              {protocol: 'TCP', port: 53},
              {protocol: 'UDP', port: 5353},
              {protocol: 'TCP', port: 5353},
            ],
          },
          {to: [{ipBlock: {cidr: '10.1.2.0/24'}}], ports: [{protocol: 'TCP', port: 5000}]},
          {to: [{ipBlock: {cidr: '2001:db8::9/128'}}], ports: [{protocol: 'TCP', port: 443}]},
          {to: [{ipBlock: {cidr: '10.244.2.6/32'}}], ports: [{protocol: 'TCP', port: 8080}]},
          {to: [{ipBlock: {cidr: '2001:db8::7/128'}}], ports: [{protocol: 'TCP', port: 5000}]},
        ],
      },
    })
  })

  it('of a NetworkPolicy open every public address for the origin unless one is named, and no private one', async () => {
    const policy = networkPolicy(holes, {name: 'docker-cache', selector: {app: 'staging'}, origins: []}) as {
      apiVersion: string
      kind: string
      spec: {egress: readonly {to?: readonly {ipBlock: {cidr: string; except?: readonly string[]}}[]; ports: readonly {port: number}[]}[]}
    }
    await assertKubernetesObject(policy)
    const [, origin] = policy.spec.egress
    assert.deepEqual(origin?.ports, [{protocol: 'TCP', port: 443}])
    const allows = (address: string): boolean =>
      (origin?.to ?? []).some(
        ({ipBlock: {cidr, except = []}}) => contains(cidr, address) && !except.some((range) => contains(range, address)),
      )
    for (const address of ['3.94.224.37', '151.101.1.6', '2600:1f18::1']) assert.ok(allows(address), address)
    for (const address of ['10.0.0.1', '172.20.1.1', '192.168.9.9', '169.254.169.254', '127.0.0.1', 'fd00::1', 'fe80::1', '::1']) {
      assert.ok(!allows(address), address)
    }
    for (const name of ['Docker Cache', '-cache', '']) {
      assert.throws(
        () => networkPolicy(holes, {name, selector: {}, origins: []}),
        (error) => hasCode(error, 'USAGE'),
      )
    }
  })

  it('of a NetworkPolicy name origins by address or range, with a port or without', () => {
    for (const [text, destination, port] of [
      ['10.1.2.3', '10.1.2.3/32', 443],
      ['10.1.2.0/24', '10.1.2.0/24', 443],
      ['10.1.2.0/24:5000', '10.1.2.0/24', 5000],
      ['2001:db8::/32', '2001:db8::/32', 443],
      ['[2001:db8::]:5000', '2001:db8::/128', 5000],
      ['[2001:db8::/32]:5000', '2001:db8::/32', 5000],
    ] as const) {
      assert.deepEqual(parseOrigin(text), {destination, port}, text)
    }
    for (const text of ['images.example.com', '10.1.2.3:0', '10.1.2.3:70000', '10.0.0.0/40', '', '[10.1.2.3', '10.1.2.3:']) {
      assert.throws(
        () => parseOrigin(text),
        (error) => hasCode(error, 'USAGE') && error.message.includes(`"${text}"`),
        text,
      )
    }
  })

  it('are not written for no instance, which an ACL shows as well, unless that is meant', async () => {
    const nothing = {description: 'service "docker-registry" of Consul', emptyHints: ['curl'], find: async () => []}
    await assert.rejects(findHoles(nothing, {allowEmpty: false}), (error) => {
      assert.ok(hasCode(error, 'REGISTRY_UNAVAILABLE'))
      assert.match(error.message, /^cannot open a firewall: missing docker registry in service "docker-registry" of Consul$/)
      assert.deepEqual(error.hints.length, 2)
      return true
    })
    assert.deepEqual(await findHoles(nothing, {allowEmpty: true}), [])
  })

  it('are one for a range where that is asked for', () => {
    assert.deepEqual(diegoRules([holeForRange('10.244.2.0/24', 8080)]), [{protocol: 'tcp', destinations: ['10.244.2.0/24'], ports: [8080]}])
  })

  it('are refused for names, and for what is no range', async () => {
    await assert.rejects(findHoles(createListedSource(['cache.example.com:80']), {allowEmpty: false}), (error) => hasCode(error, 'USAGE'))
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

function contains(cidr: string, address: string): boolean {
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
  const [network = '', bits] = cidr.split('/')
  if (isIP(network) !== isIP(address)) return false
  const range = new BlockList()
  range.addSubnet(network, Number(bits), family)
  return range.check(address, family)
}
