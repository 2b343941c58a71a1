import assert from 'node:assert/strict'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {createEnvironmentSource} from '../../../src/lib/credentials/environment.ts'
import {parseRegistryHost} from '../../../src/lib/oci/reference.ts'

const HOST = 'HOLDFAST_AUTH_REGISTRY_EXAMPLE_COM_5000'
const find = (environment: Record<string, string>, host = 'registry.example.com:5000') =>
  createEnvironmentSource(environment).find(parseRegistryHost(host), undefined)

describe('credentials in the environment', () => {
  for (const [what, variables, credential] of [
    [
      'a user name and a password',
      {[`${HOST}_USERNAME`]: 'ann', [`${HOST}_PASSWORD`]: ' pass:word '},
      {kind: 'basic', username: 'ann', password: ' pass:word '},
    ],
    ['an identity token', {[`${HOST}_IDENTITY_TOKEN`]: 'it'}, {kind: 'identity-token', token: 'it'}],
    ['a registry token', {[`${HOST}_REGISTRY_TOKEN`]: 'rt'}, {kind: 'registry-token', token: 'rt'}],
    ['a token with the line break of its file', {[`${HOST}_REGISTRY_TOKEN`]: 'rt\n'}, {kind: 'registry-token', token: 'rt'}],
    [
      'one kind beside empty variables',
      {[`${HOST}_USERNAME`]: '', [`${HOST}_PASSWORD`]: '', [`${HOST}_IDENTITY_TOKEN`]: 'it'},
      {kind: 'identity-token', token: 'it'},
    ],
    ['nothing', {}, undefined],
    ['nothing but empty variables', {[`${HOST}_USERNAME`]: '', [`${HOST}_PASSWORD`]: ''}, undefined],
  ] as readonly (readonly [string, Record<string, string>, object | undefined])[]) {
    it(`are read from ${what}`, async () => assert.deepEqual(await find(variables), credential))
  }

  for (const [host, name] of [
    ['docker.io', 'DOCKER_IO'],
    ['registry-1.docker.io', 'DOCKER_IO'],
    ['localhost:5000', 'LOCALHOST_5000'],
    ['127.0.0.1:5000', '127_0_0_1_5000'],
    ['[::1]:5000', '___1__5000'],
    ['my-registry.example.com', 'MY_REGISTRY_EXAMPLE_COM'],
  ] as const) {
    it(`for ${host} have ${name} in their names`, async () => {
      assert.equal((await find({[`HOLDFAST_AUTH_${name}_REGISTRY_TOKEN`]: 'rt'}, host))?.kind, 'registry-token')
    })
  }

  it('are for their own registry only', async () => {
    assert.equal(await find({[`${HOST}_REGISTRY_TOKEN`]: 'rt'}, 'registry.example.com'), undefined)
  })

  for (const [what, variables, named] of [
    ['half a pair', {USERNAME: 'canary'}, /_5000_USERNAME/],
    ['a user name whose password is empty', {USERNAME: 'canary', PASSWORD: ''}, /_5000_USERNAME/],
    ['a password alone', {PASSWORD: 'canary'}, /_5000_PASSWORD/],
    ['two kinds', {IDENTITY_TOKEN: 'canary', REGISTRY_TOKEN: 'canary'}, /_IDENTITY_TOKEN and .*_REGISTRY_TOKEN/],
    ['a pair and a token', {USERNAME: 'canary', PASSWORD: 'canary', REGISTRY_TOKEN: 'canary'}, /_REGISTRY_TOKEN/],
    ['a token that fits into no header', {REGISTRY_TOKEN: 'canary\r\nx'}, /_REGISTRY_TOKEN/],
    ['a user name with a colon', {USERNAME: 'canary:x', PASSWORD: 'canary'}, /_USERNAME/],
  ] as readonly (readonly [string, Record<string, string>, RegExp])[]) {
    it(`are refused by name, not by value, when there is ${what}`, async () => {
      const environment = Object.fromEntries(Object.entries(variables).map(([suffix, value]) => [`${HOST}_${suffix}`, value]))
      await assert.rejects(find(environment), (error) => {
        assert.ok(error instanceof HoldfastError && error.code === 'CONFIGURATION')
        assert.match(error.message, named)
        assert.ok(!JSON.stringify([error.message, error.hints, error.details]).includes('canary'))
        return true
      })
    })
  }
})
