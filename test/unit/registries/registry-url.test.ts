import assert from 'node:assert/strict'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {parseRegistryHost} from '../../../src/lib/oci/reference.ts'
import {parseRegistryName} from '../../../src/lib/registries/registry-name.ts'
import {parseRegistryUrl} from '../../../src/lib/registries/registry-url.ts'

describe('the address of a registry', () => {
  for (const [text, host, scheme] of [
    ['https://registry.example.com', 'registry.example.com', 'https'],
    ['https://Registry.Example.com:5000/', 'registry.example.com:5000', 'https'],
    ['https://registry.example.com:443', 'registry.example.com', 'https'],
    ['http://10.0.0.1:5000/v2/', '10.0.0.1:5000', 'http'],
    ['localhost:5000', 'localhost:5000', undefined],
    ['[::1]:5000/v2', '[::1]:5000', undefined],
    ['internal', 'internal', undefined],
    ['https://registry-1.docker.io', 'docker.io', 'https'],
  ] as const)
    it(`reads ${text}`, () => assert.deepEqual(parseRegistryUrl(text), scheme === undefined ? {host} : {host, scheme}))

  for (const text of [
    'ftp://example.com',
    'https://example.com/apps',
    'example.com/apps',
    'https://example.com?x=1',
    'https://',
    '',
    'exa mple.com',
    'example.com:0',
    'example.com:99999',
  ])
    it(`refuses "${text}" as a usage error`, () =>
      assert.throws(
        () => parseRegistryUrl(text),
        (error) => error instanceof HoldfastError && error.exitCode === 2,
      ))

  it('refuses credentials and does not repeat them', () => {
    for (const text of ['https://me:canary-secret@example.com', 'me:canary-secret@example.com', 'https://me:canary-secret@exa mple.com']) {
      assert.throws(
        () => parseRegistryUrl(text),
        (error) => hasCode(error, 'USAGE') && !JSON.stringify([error.message, error.hints, error.details]).includes('canary-secret'),
      )
    }
  })
})

describe('the name of a registry', () => {
  const host = parseRegistryHost('registry.example.com:5000')

  for (const name of ['internal', 'a', 'team-7_x', '0']) it(`may be ${name}`, () => assert.equal(parseRegistryName(name, host), name))

  for (const name of ['', 'Internal', '-a', 'a-', 'a b', 'a/b', 'a:1', '../x', 'a'.repeat(65)])
    it(`may not be "${name}"`, () =>
      assert.throws(
        () => parseRegistryName(name, host),
        (error) => hasCode(error, 'USAGE'),
      ))

  it('may read as a host only if it is that very host, so that no reference is led elsewhere', () => {
    assert.equal(parseRegistryName('ghcr.io', parseRegistryHost('ghcr.io')), 'ghcr.io')
    assert.throws(
      () => parseRegistryName('ghcr.io', host),
      (error) => hasCode(error, 'USAGE'),
    )
    assert.throws(
      () => parseRegistryName('localhost', host),
      (error) => hasCode(error, 'USAGE'),
    )
  })
})
