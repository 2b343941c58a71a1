/** Firewall rules by their effect: genuine nftables beside a table that drops, and a security group of a foundation that must not be emptied by mistake. */
import assert from 'node:assert/strict'
import {createServer, type Server} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {writeCfSession} from '../support/cf-session.ts'
import {FakeCloudFoundry} from '../support/fake-cf/fake-cf.ts'
import {startFakeConsul} from '../support/fake-consul.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createNetworkHost, type NetworkHost} from '../support/network-host.ts'
import {findProgram, needs} from '../support/required-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const DENY_ALL = `table inet staging {
  chain out {
    type filter hook output priority filter; policy drop;
    oif lo accept
    ct state established accept
    reject with tcp reset
  }
}
`

describe('egress', function () {
  this.timeout(120_000)
  const afterwards = cleanUpAfterwards()
  let folder: string
  let user: Holdfast

  before(async () => {
    const temporary = await createTemporaryDirectory('egress')
    afterwards(temporary.remove)
    folder = temporary.path
    user = await createHoldfast(folder)
  })

  describe('of nftables', () => {
    needs('nft', 'ip')
    let cell: NetworkHost

    before(async function () {
      if (process.getuid?.() !== 0) {
        process.stderr.write('\n    SKIPPED: hosts of their own can be made by root alone\n')
        this.skip()
      }
      cell = await createNetworkHost(3)
      afterwards(cell.remove)
    })

    async function listen(): Promise<number> {
      const server: Server = createServer((_, response) => void response.end('instance'))
      await new Promise<void>((resolve) => server.listen(0, cell.gateway, resolve))
      afterwards(() => void server.close())
      return (server.address() as AddressInfo).port
    }

    it('opens the instances beside a table that drops everything else, and closes what is no longer an instance', async () => {
      const nft = findProgram('nft') ?? ''
      const [first, second, other] = [await listen(), await listen(), await listen()]
      const reached = (): Promise<readonly string[]> =>
        Promise.all([first, second, other].map((port) => cell.ask(`http://${cell.gateway}:${port}/`)))
      const load = async (...ports: readonly number[]): Promise<string> => {
        const addresses = ports.flatMap((port) => ['--docker-registry-address', `${cell.gateway}:${port}`])
        const flags = ['--format', 'nftables', '--table', 'inet staging', '--chain', 'out']
        const {exitCode, stdout, stderr} = await user.run(['egress', ...flags, ...addresses])
        assert.equal(exitCode, 0, stderr)
        await cell.run(nft, ['-f', '-'], stdout)
        return stdout
      }
      await cell.run(nft, ['-f', '-'], DENY_ALL)
      assert.deepEqual(await reached(), ['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED'])
      const document = await load(first)
      const lines = [...document.matchAll(/^# {3}nft (.+)$/gm)].map(([, line = '']) => line)
      assert.equal(lines.length, 2)
      for (const line of lines) await cell.run(nft, line.split(' '))
      assert.deepEqual(await reached(), ['200', 'ECONNREFUSED', 'ECONNREFUSED'])
      await load(first, second)
      assert.deepEqual(await reached(), ['200', '200', 'ECONNREFUSED'])
      await load(second)
      assert.deepEqual(await reached(), ['ECONNREFUSED', '200', 'ECONNREFUSED'])
    })
  })

  it('never empties a security group because Consul shows nothing, unless --allow-empty means it', async () => {
    const consul = await startFakeConsul()
    afterwards(() => consul.stop())
    consul.services.push({
      ...{id: 'one', name: 'docker-registry', node: 'cache-0', address: '10.244.2.6', serviceAddress: ''},
      ...{port: 8080, tags: [], healthy: true},
    })
    const foundation = new FakeCloudFoundry()
    await foundation.start()
    afterwards(() => foundation.stop())
    foundation.addUser({name: 'admin', password: 'a', role: 'admin'})
    foundation.addSpace('acme', 'dev')
    const account = {username: 'admin', password: 'a'}
    const session = await writeCfSession(join(folder, 'cf'), foundation, account, {organization: 'acme', space: 'dev'})
    const apply = (...more: readonly string[]) =>
      user.json(['egress', '--apply', '--consul-cluster', consul.url, ...more], {env: {...user.env, CF_HOME: session.home}})
    const rules = (): readonly unknown[] => (foundation.state.securityGroups[0]?.rules ?? []) as readonly unknown[]
    assert.equal((await apply()).exitCode, 0)
    assert.equal(rules().length, 1)

    // An ACL shows the same as no instance.
    consul.token = 'of-another'
    const hidden = await apply()
    assert.deepEqual([hidden.exitCode, hidden.envelope.error?.code], [7, 'REGISTRY_UNAVAILABLE'])
    assert.match(hidden.envelope.error?.message ?? '', /missing docker registry/)
    assert.ok(hidden.envelope.error?.hints.some((hint) => hint.includes('HOLDFAST_CONSUL_TOKEN')))
    assert.equal(rules().length, 1, 'the security group was emptied')
    // What is printed is applied by others.
    for (const format of ['diego', 'cf-security-group', 'kubernetes-networkpolicy', 'nftables']) {
      assert.equal((await user.run(['egress', '--consul-cluster', consul.url, '--format', format])).exitCode, 7, format)
    }

    const meant = await apply('--allow-empty')
    assert.deepEqual([meant.exitCode, (meant.envelope.result as {applied: string}).applied, rules()], [0, 'updated', []])
  })
})
