import assert from 'node:assert/strict'
import fc from 'fast-check'
import {isRepositoryName, parseRegistryHost, parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {requestedUpstream, type UpstreamName} from '../../../src/lib/server/requested-upstream.ts'
import {parseRoute} from '../../../src/lib/server/route.ts'
import {SpecError} from '../../../src/lib/server/spec-error.ts'

const HUB: UpstreamName = {name: 'docker.io', path: parseRepositoryName('docker.io')}
const GHCR: UpstreamName = {name: 'ghcr.io', path: parseRepositoryName('ghcr.io')}
const LOCAL: UpstreamName = {name: 'localhost:5000', path: parseRepositoryName('localhost_5000')}
const SIX: UpstreamName = {name: parseRegistryHost('[::1]:5000'), path: parseRepositoryName('1_5000')}

const HARBOR: UpstreamName = {name: 'harbor.example.com:8443', path: parseRepositoryName('harbor.example.com_8443')}
const PROXY: UpstreamName = {name: 'harbor.example.com:8443/proxy', path: parseRepositoryName('harbor.example.com_8443/proxy')}

/** `registry repository`, or 404. */
function ask(upstreams: readonly [UpstreamName, ...UpstreamName[]], target: string, unnamed?: UpstreamName): string {
  const [path = '', query = ''] = target.split('?')
  const route = parseRoute(`/v2/${path}/manifests/v1`)
  assert.ok(route !== undefined)
  try {
    const found = requestedUpstream({upstreams, unnamed}, route, new URLSearchParams(query))
    return `${found.upstream.name} ${'repository' in found.route ? found.route.repository : '-'}`
  } catch (error) {
    assert.ok(error instanceof SpecError)
    assert.deepEqual([error.status, error.code], [404, 'NAME_UNKNOWN'])
    return '404'
  }
}

describe('the registry that a request names', () => {
  for (const [target, expected] of [
    ['acme/web?ns=ghcr.io', 'ghcr.io acme/web'],
    ['acme/web?ns=GHCR.io:443', 'ghcr.io acme/web'],
    ['library/alpine?ns=docker.io', 'docker.io library/alpine'],
    ['alpine?ns=index.docker.io', 'docker.io library/alpine'],
    ['library/alpine?ns=registry-1.docker.io', 'docker.io library/alpine'],
    ['ghcr.io/acme/web', 'ghcr.io acme/web'],
    ['docker.io/alpine', 'docker.io library/alpine'],
    ['index.docker.io/acme/web', 'docker.io acme/web'],
    ['registry-1.docker.io/acme/web', 'docker.io acme/web'],
    ['localhost_5000/a/b', 'localhost:5000 a/b'],
    ['a/b?ns=localhost:5000', 'localhost:5000 a/b'],
    ['1_5000/a/b', '[::1]:5000 a/b'],
    ['ghcr.io/acme/web?ns=ghcr.io', 'ghcr.io acme/web'],
    ['index.docker.io/alpine?ns=docker.io', 'docker.io library/alpine'],
    ['acme/web?ns=ghcr.io&ns=ghcr.io:443', 'ghcr.io acme/web'],
    // A folder of the registry that ns= names, which no upstream is called as.
    ['quay.io/acme/web?ns=ghcr.io', 'ghcr.io quay.io/acme/web'],
    ['acme/web?ns=quay.io', '404'],
    ['ghcr.io/acme/web?ns=quay.io', '404'],
    ['ghcr.io/acme/web?ns=docker.io', '404'],
    ['acme/web?ns=ghcr.io&ns=docker.io', '404'],
    ['acme/web?ns=ghcr.io/x', '404'],
    ['acme/web?ns=localhost:5001', '404'],
    ['acme/web', '404'],
    ['acme/web?ns=', '404'],
    ['alpine', '404'],
    ['quay.io/acme/web', '404'],
    ['ghcr.io', '404'],
  ] as const) {
    it(`is ${expected} for ${target} at a mirror of several`, () => {
      assert.equal(ask([HUB, GHCR, LOCAL, SIX], target), expected)
    })
  }

  it('is the one that --unnamed says when a request names none, and not when it names another', () => {
    assert.equal(ask([GHCR, HUB], 'acme/web', HUB), 'docker.io acme/web')
    assert.equal(ask([GHCR, HUB], 'alpine', HUB), 'docker.io library/alpine')
    assert.equal(ask([GHCR, HUB], 'quay.io/acme/web', HUB), '404')
    assert.equal(ask([GHCR, HUB], 'localhost/acme/web', HUB), '404')
    assert.equal(ask([GHCR, HUB], 'acme/web?ns=quay.io', HUB), '404')
    assert.equal(ask([GHCR, HUB], 'ghcr.io/acme/web', HUB), 'ghcr.io acme/web')
  })

  it('is the only upstream when a request names none, and its first part is a folder unless it names that upstream', () => {
    assert.equal(ask([GHCR], 'acme/web', GHCR), 'ghcr.io acme/web')
    assert.equal(ask([GHCR], 'quay.io/acme/web', GHCR), 'ghcr.io quay.io/acme/web')
    assert.equal(ask([GHCR], 'ghcr.io/acme/web', GHCR), 'ghcr.io acme/web')
    assert.equal(ask([GHCR], 'acme/web?ns=docker.io', GHCR), '404')
  })

  for (const [target, expected] of [
    ['proxy/acme/web?ns=harbor.example.com:8443', `${PROXY.name} acme/web`],
    ['harbor.example.com_8443/proxy/acme/web', `${PROXY.name} acme/web`],
    ['harbor.example.com_8443/proxy/acme/web?ns=harbor.example.com:8443', `${PROXY.name} acme/web`],
    ['harbor.example.com_8443/proxy/acme/web?ns=ghcr.io', '404'],
    ['other/acme/web?ns=harbor.example.com:8443', '404'],
    ['proxy?ns=harbor.example.com:8443', '404'],
    ['proxyacme/web?ns=harbor.example.com:8443', '404'],
    ['harbor.example.com_8443/other/acme/web', '404'],
    ['acme/web?ns=harbor.example.com:8443/proxy', '404'],
    ['acme/web', '404'],
  ] as const) {
    it(`is ${expected} for ${target} at a mirror of a folder of a registry`, () => {
      assert.equal(ask([GHCR, PROXY], target), expected)
    })
  }

  it('is the folder when both a registry and a folder of it are mirrored', () => {
    assert.equal(ask([HARBOR, PROXY], 'proxy/acme/web?ns=harbor.example.com:8443'), `${PROXY.name} acme/web`)
    assert.equal(ask([HARBOR, PROXY], 'acme/web?ns=harbor.example.com:8443'), `${HARBOR.name} acme/web`)
    assert.equal(ask([PROXY], 'acme/web', PROXY), `${PROXY.name} acme/web`)
  })

  it('is never another one than the request names', () => {
    const upstreams = [HUB, GHCR, LOCAL] as const
    const hosts = ['docker.io', 'index.docker.io', 'ghcr.io', 'localhost:5000', 'quay.io', 'ghcr.io.evil.example', 'acme', '']
    const part = fc.constantFrom('docker.io', 'ghcr.io', 'localhost_5000', 'quay.io', 'acme', 'web')
    fc.assert(
      fc.property(
        fc.array(part, {minLength: 1, maxLength: 4}),
        fc.constantFrom(...hosts),
        fc.constantFrom(undefined, ...upstreams),
        (parts, ns, unnamed) => {
          const answer = ask(upstreams, `${parts.join('/')}?ns=${ns}`, unnamed)
          if (answer === '404') return
          const [registry = '', repository = ''] = answer.split(' ')
          assert.ok(isRepositoryName(repository))
          const first = parts[0]?.replace('_', ':')
          if (ns !== '') assert.equal(parseRegistryHost(ns), registry)
          else if (parts.length > 1 && upstreams.some(({name}) => name === first)) assert.equal(registry, first)
          else assert.equal(registry, unnamed?.name)
        },
      ),
    )
  })
})
