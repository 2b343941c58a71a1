import assert from 'node:assert/strict'
import {matchRegistryKeys, parseRegistryKey} from '../../../src/lib/credentials/docker-config/registry-key.ts'
import {DOCKER_HUB, parseRegistryHost, parseRepositoryName} from '../../../src/lib/oci/reference.ts'

describe('a key of docker’s configuration', () => {
  for (const [key, registry, pathPrefix] of [
    ['registry.example.com', 'registry.example.com', ''],
    ['registry.example.com:5000', 'registry.example.com:5000', ''],
    ['REGISTRY.example.com', 'registry.example.com', ''],
    ['registry.example.com/team', 'registry.example.com', 'team'],
    ['registry.example.com/team/web', 'registry.example.com', 'team/web'],
    ['registry.example.com/', 'registry.example.com', ''],
    ['registry.example.com/v1', 'registry.example.com', 'v1'],
    ['http://registry.example.com', 'registry.example.com', ''],
    ['https://registry.example.com/v1/', 'registry.example.com', ''],
    ['https://registry.example.com:5000/v2', 'registry.example.com:5000', ''],
    ['https://index.docker.io/v1/', 'docker.io', ''],
    ['index.docker.io', 'docker.io', ''],
    ['docker.io/acme', 'docker.io', 'acme'],
    ['[::1]:5000', '[::1]:5000', ''],
  ] as const) {
    it(`reads ${key} as ${registry} ${pathPrefix || '(all of it)'}`, () => {
      assert.deepEqual(parseRegistryKey(key), {registry, pathPrefix})
    })
  }

  for (const key of ['', 'https://', 'ftp://registry.example.com', 'user:secret@registry.example.com', 'a b', '../../etc']) {
    it(`takes "${key}" for no registry`, () => assert.equal(parseRegistryKey(key), undefined))
  }
})

describe('the keys that speak for a repository', () => {
  const registry = parseRegistryHost('r.example.com')
  const repository = parseRepositoryName('team/web/api')

  it('come with the longest path first', () => {
    const keys = ['r.example.com', 'r.example.com/team/web', 'other.example.com/team/web/api', 'r.example.com/team']
    assert.deepEqual(matchRegistryKeys(keys, registry, repository), ['r.example.com/team/web', 'r.example.com/team', 'r.example.com'])
  })

  it('end at a slash, so a name that only starts alike is not meant', () => {
    assert.deepEqual(matchRegistryKeys(['r.example.com/team/we', 'r.example.com/tea'], registry, repository), [])
  })

  it('include the repository itself', () => {
    assert.deepEqual(matchRegistryKeys(['r.example.com/team/web/api'], registry, repository), ['r.example.com/team/web/api'])
  })

  it('have the bare host before a URL of the same registry', () => {
    const keys = ['https://r.example.com/v1/', 'r.example.com']
    assert.deepEqual(matchRegistryKeys(keys, registry, repository), ['r.example.com', 'https://r.example.com/v1/'])
  })

  it('never cross ports', () => {
    assert.deepEqual(matchRegistryKeys(['r.example.com:5000', 'r.example.com:443'], registry, repository), [])
    assert.deepEqual(matchRegistryKeys(['r.example.com'], parseRegistryHost('r.example.com:5000'), repository), [])
  })

  it('are those for the whole registry when no repository is asked for', () => {
    assert.deepEqual(matchRegistryKeys(['docker.io/acme', 'https://index.docker.io/v1/'], DOCKER_HUB, undefined), [
      'https://index.docker.io/v1/',
    ])
  })
})
