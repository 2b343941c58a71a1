import assert from 'node:assert/strict'
import {BuilderError} from '../../../src/lib/builder/builder-error.ts'
import {parseBuilderArguments} from '../../../src/lib/builder/builder-flags.ts'
import {UsageRequested} from '../../../src/lib/builder/go-flags.ts'

const parse = (text: string) => parseBuilderArguments(text.split(' '), (path) => path === '/usr/bin/skopeo')
const CACHING = '-dockerRef alpine -cacheDockerImage -dockerRegistryHost cache -dockerRegistryIPs 10.0.0.1,10.0.0.2'

/** As the builder of today prints its flags, with those of 2015 and ours beside them. */
const DEFAULTS = `  -cacheDockerImage
        Caches Docker images to private docker registry
  -dockerDaemonExecutablePath string
        path to the 'docker' executable (default "/tmp/docker_app_lifecycle/docker")
  -dockerDaemonUnixSocket string
        path to the unix socket the docker daemon is listening to (default "/var/run/docker.sock/info")
  -dockerEmail string
        Email for pulling from docker registry
  -dockerImageURL string
        docker image uri in docker://[registry/][scope/]repository[#tag] format
  -dockerLoginServer string
        Docker Login server address (default "https://index.docker.io/v1/")
  -dockerPassword string
        Password for pulling from docker registry
  -dockerRef string
        docker image reference in standard docker string format
  -dockerRegistryAddresses value
        Docker Registry addresses (ip:port)
  -dockerRegistryHost string
        Docker Registry host
  -dockerRegistryIPs value
        Docker Registry IPs
  -dockerRegistryPort int
        Docker Registry port (default 8080)
  -dockerRegistryRequireTLS
        Use HTTPS when contacting the Docker Registry
  -dockerUser string
        User for pulling from docker registry
  -insecureDockerRegistries value
        insecure Docker Registry addresses (host:port)
  -outputMetadataJSONFilename string
        filename in which to write the app metadata (default "/tmp/result/result.json")
  -pinDigest
        Names the digest of a cached image in the metadata (default true)`.split('\n')

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
    const {cache, isFirstGeneration, insecureRegistries} = parse(`${CACHING} -dockerRegistryPort 5000`)
    assert.deepEqual(cache?.name, {host: 'cache', port: 5000})
    assert.deepEqual(cache?.instances, [
      {host: '10.0.0.1', port: 5000},
      {host: '10.0.0.2', port: 5000},
    ])
    assert.deepEqual([cache?.requireTls, cache?.pinDigest, isFirstGeneration], [false, true, false])
    // What is not to be asked over TLS is an insecure registry, also for the image itself.
    assert.deepEqual(insecureRegistries, ['cache:5000'])
    assert.deepEqual(parse(`${CACHING} -dockerRegistryRequireTLS -insecureDockerRegistries r:80,s:80`).insecureRegistries, ['r:80', 's:80'])
    assert.equal(parse(CACHING).cache?.name?.port, 8080)
    for (const [text, port] of [
      ['0x1388', 5000],
      ['011610', 5000],
      ['+5000', 5000],
      ['0b11', 3],
    ] as const) {
      assert.equal(parse(`${CACHING} -dockerRegistryPort ${text}`).cache?.name?.port, port, text)
    }
    assert.equal(parse(`${CACHING} -pinDigest=false -dockerRegistryRequireTLS`).cache?.pinDigest, false)
  })

  it('name instances alone before that', () => {
    const {cache, isFirstGeneration} = parse('-dockerRef alpine -cacheDockerImage -dockerRegistryAddresses 10.0.0.1:8080,10.0.0.2:8080')
    assert.deepEqual([cache?.name, cache?.instances.length, cache?.pinDigest, isFirstGeneration], [undefined, 2, false, true])
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

  it('have user and password without caching too, as today’s Cloud Controller gives them, and are then not judged', () => {
    const {login} = parse('-dockerRef r.example.com/a -dockerUser u -dockerPassword p')
    assert.deepEqual([login?.username, login?.password.reveal(), login?.server], ['u', 'p', 'https://index.docker.io/v1/'])
    for (const text of ['-dockerUser u', '-dockerPassword p', '-dockerEmail nobody', '-dockerLoginServer nowhere']) {
      assert.equal(parse(`-dockerRef a ${text}`).login, undefined, text)
    }
    assert.equal(parse('-dockerRef a -dockerUser u -dockerPassword p -dockerEmail nobody -dockerLoginServer %zz').login?.username, 'u')
    // Any host is a URL for Go.
    assert.equal(
      parse(`${CACHING} -dockerUser u -dockerPassword p -dockerLoginServer r.example.com:5000`).login?.server,
      'r.example.com:5000',
    )
  })

  it('are refused in the builder’s own words, with its exit codes', () => {
    const cases: readonly (readonly [string, 1 | 2, string])[] = [
      ['-cacheDockerImage', 1, 'missing flag: dockerRef required'],
      ['-dockerRef a -cacheDockerImage -dockerRegistryHost h', 1, 'missing flag: dockerRegistryIPs required'],
      ['-dockerRef a -cacheDockerImage -dockerRegistryIPs 10.0.0.1', 1, 'missing flag: dockerRegistryHost required'],
      ['-dockerRegistryAddresses 10.0.0.1:80', 1, 'missing flag: dockerImageURL or dockerRef required'],
      [
        '-dockerRef a -cacheDockerImage -dockerRegistryAddresses=',
        2,
        'invalid value "" for flag -dockerRegistryAddresses: ip:port expected for Docker Registry []',
      ],
      [
        '-dockerRef a -cacheDockerImage -dockerRegistryAddresses 10.0.0.1:many',
        2,
        'invalid value "10.0.0.1:many" for flag -dockerRegistryAddresses: ip:port expected for Docker Registry [10.0.0.1:many]',
      ],
      ['-dockerRegistryIPs a:1', 2, 'invalid value "a:1" for flag -dockerRegistryIPs: unexpected format for [a:1]'],
      [
        '-dockerRegistryIPs a -dockerRegistryIPs b',
        2,
        'invalid value "b" for flag -dockerRegistryIPs: Docker Registry IPs flag already set',
      ],
      ['-dockerRef a -cacheDockerImage -dockerRegistryIPs 10.0.0.1 -dockerRegistryHost h:80', 1, 'invalid host format h:80'],
      [`${CACHING} -dockerRegistryPort -1`, 1, 'negative port number -1'],
      [`${CACHING} -dockerRegistryPort 65536`, 1, 'port number too big 65536'],
      [`${CACHING} -dockerDaemonExecutablePath /no/docker`, 1, 'docker daemon not found in /no/docker'],
      [`${CACHING} -dockerUser u`, 1, 'missing flags: dockerUser, dockerPassword and dockerEmail required simultaneously'],
      [`${CACHING} -dockerEmail a@b.c`, 1, 'missing flags: dockerUser, dockerPassword and dockerEmail required simultaneously'],
      [`${CACHING} -dockerUser u -dockerPassword p -dockerEmail nobody`, 1, 'invalid dockerEmail [nobody]'],
      [`${CACHING} -dockerUser u -dockerPassword p -dockerLoginServer %zz`, 1, 'invalid dockerLoginServer [%zz]'],
      // Credentials before the daemon, the registry before both.
      [
        `${CACHING} -dockerUser u -dockerDaemonExecutablePath /no/docker`,
        1,
        'missing flags: dockerUser, dockerPassword and dockerEmail required simultaneously',
      ],
      [`${CACHING} -dockerRegistryPort -1 -dockerUser u`, 1, 'negative port number -1'],
      [
        '-insecureDockerRegistries http://r:80',
        2,
        'invalid value "http://r:80" for flag -insecureDockerRegistries: no scheme allowed for Docker Registry [http://r:80]',
      ],
      ['-insecureDockerRegistries r', 2, 'invalid value "r" for flag -insecureDockerRegistries: ip:port expected for Docker Registry [r]'],
      [
        '-insecureDockerRegistries r:80 -insecureDockerRegistries s:80',
        2,
        'invalid value "s:80" for flag -insecureDockerRegistries: Insecure Docker Registries flag already set',
      ],
      [
        '-insecureDockerRegistries r:80 -insecureDockerRegistries s:80 -dockerRegistryAddresses 10.0.0.1:80',
        2,
        'invalid value "s:80" for flag -insecureDockerRegistries: Docker Registries flag already set',
      ],
      ['-insecureDockerRegistries=', 2, 'invalid value "" for flag -insecureDockerRegistries: ip:port expected for Docker Registry []'],
      [
        '-dockerRegistryPort 99999999999999999999',
        2,
        'invalid value "99999999999999999999" for flag -dockerRegistryPort: value out of range',
      ],
      ['-dockerRegistryPort 08', 2, 'invalid value "08" for flag -dockerRegistryPort: parse error'],
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
          assert.deepEqual([error.exitCode, error.lines[0]], [exitCode, message])
          return true
        },
      )
    }
  })

  it('are explained as Go explains them: after what its flag package refuses, after a missing image, and for -h, which is no failure', () => {
    const linesOf = (text: string): readonly string[] => {
      try {
        parse(text)
      } catch (error) {
        assert.ok(error instanceof BuilderError || error instanceof UsageRequested)
        return error.lines
      }
      assert.fail(text)
    }
    assert.deepEqual(linesOf('-h'), ['Usage of builder:', ...DEFAULTS])
    assert.deepEqual(linesOf('-dockerRef a -help -noSuchFlag'), ['Usage of builder:', ...DEFAULTS])
    assert.deepEqual(linesOf('-noSuchFlag -h'), ['flag provided but not defined: -noSuchFlag', 'Usage of builder:', ...DEFAULTS])
    assert.deepEqual(linesOf('-dockerRegistryIPs a:1').slice(1), ['Usage of builder:', ...DEFAULTS])
    assert.deepEqual(linesOf('-cacheDockerImage'), ['missing flag: dockerRef required', ...DEFAULTS])
    assert.deepEqual(linesOf(`${CACHING} -dockerUser u`).length, 1)
    assert.throws(() => parse('-h'), UsageRequested)
  })

  it('of the registry and the engine are looked at only when the image is to be cached', () => {
    assert.equal(parse('-dockerRef a -dockerRegistryHost h:80 -dockerUser u -dockerDaemonExecutablePath /no/docker').cache, undefined)
  })
})
