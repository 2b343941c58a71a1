import assert from 'node:assert/strict'
import {BuilderError} from '../../../src/lib/builder/builder-error.ts'
import {parseBuilderArguments} from '../../../src/lib/builder/builder-flags.ts'

const parse = (text: string) => parseBuilderArguments(text.split(' '), (path) => path === '/usr/bin/skopeo')
const CACHING = '-dockerRef alpine -cacheDockerImage -dockerRegistryHost cache -dockerRegistryIPs 10.0.0.1,10.0.0.2'

describe('the flags of the builder', () => {
  it('have one dash or two, their value behind them or behind an equals sign, and the last one counts', () => {
    for (const text of [
      '-dockerRef a/b:c',
      '--dockerRef a/b:c',
      '-dockerRef=a/b:c',
      '--dockerRef=a/b:c',
      '-dockerRef x -dockerRef a/b:c',
    ]) {
      assert.equal(parse(text).dockerRef, 'a/b:c', text)
    }
    assert.equal(parse('-dockerRef a -outputMetadataJSONFilename /tmp/x.json').resultFile, '/tmp/x.json')
    assert.equal(parse('-dockerRef a').resultFile, '/tmp/result/result.json')
    assert.equal(parse('-dockerRef a -cacheDockerImage=false').cache, undefined)
  })

  it('name the registry by host and port, and its instances by address, since August 2015', () => {
    const {cache} = parse(`${CACHING} -dockerRegistryPort 5000`)
    assert.deepEqual(cache?.name, {host: 'cache', port: 5000})
    assert.deepEqual(cache?.instances, [
      {host: '10.0.0.1', port: 5000},
      {host: '10.0.0.2', port: 5000},
    ])
    assert.deepEqual([cache?.requireTls, cache?.pinDigest, cache?.isFirstGeneration], [false, true, false])
    assert.equal(parse(CACHING).cache?.name?.port, 8080)
    assert.equal(parse(`${CACHING} -pinDigest=false -dockerRegistryRequireTLS`).cache?.pinDigest, false)
  })

  it('name instances alone before that', () => {
    const {cache} = parse('-dockerRef alpine -cacheDockerImage -dockerRegistryAddresses 10.0.0.1:8080,10.0.0.2:8080')
    assert.deepEqual([cache?.name, cache?.instances.length, cache?.pinDigest, cache?.isFirstGeneration], [undefined, 2, false, true])
    assert.equal(parse('-dockerImageURL docker:///busybox#latest').dockerRef, 'busybox:latest')
    assert.equal(parse('-dockerImageURL docker://registry.example.com/shop/web#v1').dockerRef, 'registry.example.com/shop/web:v1')
  })

  it('have user and password together, and need no e-mail address any more', () => {
    const {login} = parse(`${CACHING} -dockerUser u -dockerPassword p`)
    assert.deepEqual([login?.username, login?.password.reveal(), login?.server], ['u', 'p', 'https://index.docker.io/v1/'])
    assert.equal(
      parse(`${CACHING} -dockerUser u -dockerPassword p -dockerEmail a@b.c -dockerLoginServer https://r.example.com`).login?.server,
      'https://r.example.com',
    )
  })

  it('are refused in the builder’s own words, with its exit codes', () => {
    const cases: readonly (readonly [string, 1 | 2, string])[] = [
      ['-cacheDockerImage', 1, 'missing flag: dockerRef required'],
      ['-dockerRef a -cacheDockerImage -dockerRegistryHost h', 1, 'missing flag: dockerRegistryIPs required'],
      ['-dockerRef a -cacheDockerImage -dockerRegistryIPs 10.0.0.1', 1, 'missing flag: dockerRegistryHost required'],
      ['-dockerRef a -cacheDockerImage -dockerRegistryAddresses=', 1, 'missing flag: dockerRegistryAddresses required'],
      ['-dockerRef a -cacheDockerImage -dockerRegistryIPs 10.0.0.1:80 -dockerRegistryHost h', 1, 'unexpected format for [10.0.0.1:80]'],
      ['-dockerRef a -cacheDockerImage -dockerRegistryIPs 10.0.0.1 -dockerRegistryHost h:80', 1, 'invalid host format h:80'],
      [`${CACHING} -dockerRegistryPort -1`, 1, 'negative port number -1'],
      [`${CACHING} -dockerRegistryPort 65536`, 1, 'port number too big 65536'],
      [`${CACHING} -dockerDaemonExecutablePath /no/docker`, 1, 'docker daemon not found in /no/docker'],
      [`${CACHING} -dockerUser u`, 1, 'missing flags: dockerUser, dockerPassword and dockerEmail required simultaneously'],
      [`${CACHING} -dockerEmail a@b.c`, 1, 'missing flags: dockerUser, dockerPassword and dockerEmail required simultaneously'],
      [`${CACHING} -dockerUser u -dockerPassword p -dockerEmail nobody`, 1, 'invalid dockerEmail [nobody]'],
      [`${CACHING} -dockerUser u -dockerPassword p -dockerLoginServer nowhere`, 1, 'invalid dockerLoginServer [nowhere]'],
      [
        '-insecureDockerRegistries http://r:80',
        2,
        'invalid value "http://r:80" for flag -insecureDockerRegistries: no scheme allowed for Docker Registry [http://r:80]',
      ],
      ['-insecureDockerRegistries r', 2, 'invalid value "r" for flag -insecureDockerRegistries: ip:port expected for Docker Registry [r]'],
      [
        '-insecureDockerRegistries r:80 -insecureDockerRegistries s:80',
        2,
        'invalid value "s:80" for flag -insecureDockerRegistries: Docker Registries flag already set',
      ],
      ['-noSuchFlag', 2, 'flag provided but not defined: -noSuchFlag'],
      ['-constructor x', 2, 'flag provided but not defined: -constructor'],
      ['-dockerRef', 2, 'flag needs an argument: -dockerRef'],
      ['-dockerRegistryPort many', 2, 'invalid value "many" for flag -dockerRegistryPort: parse error'],
      ['-cacheDockerImage=perhaps', 2, 'invalid boolean value "perhaps" for -cacheDockerImage: parse error'],
      ['-=x', 2, 'bad flag syntax: -=x'],
    ]
    for (const [text, exitCode, message] of cases) {
      assert.throws(
        () => parse(text),
        (error) => {
          assert.ok(error instanceof BuilderError, text)
          assert.deepEqual([error.exitCode, error.plain], [exitCode, message])
          return true
        },
      )
    }
  })

  it('of the registry and the engine are looked at only when the image is to be cached', () => {
    assert.equal(parse('-dockerRef a -dockerRegistryHost h:80 -dockerUser u -dockerDaemonExecutablePath /no/docker').cache, undefined)
  })
})
