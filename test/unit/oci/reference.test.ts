import assert from 'node:assert/strict'
import fc from 'fast-check'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {
  formatPinned,
  formatReference,
  isRepositoryName,
  isTag,
  manifestReference,
  parseNamed,
  parseReference,
  parseRegistryHost,
} from '../../../src/lib/oci/reference.ts'

const SHA256 = digestOf(Buffer.from('x'))
const SHA512 = digestOf(Buffer.from('x'), 'sha512')

const invalidReference = {name: 'HoldfastError', code: 'INVALID_REFERENCE'}

describe('parseReference', () => {
  const READ = {
    alpine: 'docker.io/library/alpine:latest',
    'alpine:3.20': 'docker.io/library/alpine:3.20',
    'grafana/grafana': 'docker.io/grafana/grafana:latest',
    'docker.io/alpine': 'docker.io/library/alpine:latest',
    'docker.io/library/alpine': 'docker.io/library/alpine:latest',
    'index.docker.io/alpine:1': 'docker.io/library/alpine:1',
    'registry-1.docker.io/a/b': 'docker.io/a/b:latest',
    'library/alpine': 'docker.io/library/alpine:latest',
    'ghcr.io/a/b/c/d:v1': 'ghcr.io/a/b/c/d:v1',
    'localhost/a': 'localhost/a:latest',
    'localhost:5000': 'docker.io/library/localhost:5000',
    'localhost:5000/a': 'localhost:5000/a:latest',
    'localhost:5000/a:b': 'localhost:5000/a:b',
    'Registry/a': 'registry/a:latest',
    'REGISTRY.example.COM:443/a': 'registry.example.com:443/a:latest',
    '127.0.0.1:5000/a/b': '127.0.0.1:5000/a/b:latest',
    '[::1]:5000/a': '[::1]:5000/a:latest',
    '[2001:DB8::0001]/a': '[2001:db8::1]/a:latest',
    'a__b/c---d/e.f_g': 'docker.io/a__b/c---d/e.f_g:latest',
    'a:A_.-z': 'docker.io/library/a:A_.-z',
    [`a@${SHA256}`]: `docker.io/library/a@${SHA256}`,
    [`a:v1@${SHA256}`]: `docker.io/library/a:v1@${SHA256}`,
    [`h.example/a@${SHA512}`]: `h.example/a@${SHA512}`,
  }
  for (const [text, full] of Object.entries(READ)) {
    it(`reads ${text} as docker does`, () => assert.equal(formatReference(parseReference(text)), full))
  }

  const REFUSED = [
    '',
    ' alpine',
    'alp ine',
    'alpine\n',
    'Alpine',
    'a/Alpine',
    'https://ghcr.io/a/b',
    'docker://alpine',
    '/a',
    'a/',
    'a//b',
    'h.example/',
    'a..b',
    'a.-b',
    'a___b',
    '-a',
    'a-',
    '.a',
    '../a',
    'h.example/../../etc/passwd',
    'h.example/a/..',
    'h.example/a/%2e%2e',
    'h.example/a\\b',
    'h.example/a?b',
    'h.example/a#b',
    'user@h.example/a',
    'user:password@h.example/a',
    'a:',
    'a:-b',
    'a:.b',
    'a:b:c',
    `a:${'t'.repeat(129)}`,
    'h.example:/a',
    'h.example:0/a',
    'h.example:65536/a',
    'h.example:5000x/a',
    '-h.example/a',
    'h_x.example/a',
    '[::1/a',
    '[:::]/a',
    '127.1:5000/a',
    '0x7f.0.0.1/a',
    '010.0.0.1/a',
    '1.2.3.999/a',
    'a'.repeat(256),
    'a'.repeat(250),
    'f'.repeat(64),
  ]
  for (const text of REFUSED) {
    const shown = text.length > 70 ? `${text.slice(0, 20)}… (${text.length} characters)` : JSON.stringify(text)
    it(`refuses ${shown}`, () => {
      assert.throws(
        () => parseReference(text),
        (error) => error instanceof HoldfastError && ['INVALID_REFERENCE', 'INVALID_DIGEST'].includes(error.code),
      )
    })
  }

  it('proposes the lower-case name where that is the only fault, and the name within a URL', () => {
    assert.throws(() => parseReference('h.example/Alpine'), {...invalidReference, hints: ['alpine']})
    assert.throws(() => parseReference('https://h.example/a'), {...invalidReference, hints: ['h.example/a']})
  })

  it('says of a bad digest that the digest is bad', () => {
    assert.throws(() => parseReference('a@sha256:123'), {code: 'INVALID_DIGEST'})
    assert.throws(() => parseReference(`a@${SHA256}@${SHA256}`), {code: 'INVALID_DIGEST'})
  })

  it('reads what it wrote, for every reference', () => {
    fc.assert(
      fc.property(arbitraryText(), (text) => {
        const reference = parseReference(text)
        assert.deepEqual(parseReference(formatReference(reference)), reference)
      }),
    )
  })

  it('answers any text with a reference that is safe in a path and a URL, or with a refusal', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({unit: fc.constantFrom('a', 'B', '0', '.', '/', ':', '@', '-', '_', '%', '[', ']')})),
        (text) => {
          try {
            const {registry, repository, tag} = parseReference(text)
            assert.ok(isRepositoryName(repository) && !repository.split('/').some((part) => part === '' || part.startsWith('.')))
            assert.ok(tag === undefined || isTag(tag))
            assert.equal(new URL(`https://${registry}/v2/${repository}/manifests/${tag}`).pathname, `/v2/${repository}/manifests/${tag}`)
          } catch (error) {
            if (error instanceof assert.AssertionError) throw error
            assert.ok(error instanceof HoldfastError && ['INVALID_REFERENCE', 'INVALID_DIGEST'].includes(error.code), String(error))
          }
        },
      ),
      {numRuns: 2000},
    )
  })
})

describe('parseNamed', () => {
  it('adds no tag', () => assert.equal(formatReference(parseNamed('alpine')), 'docker.io/library/alpine'))
})

describe('parseRegistryHost', () => {
  it('knows the names of Docker Hub', () => {
    for (const host of ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com'])
      assert.equal(parseRegistryHost(host), 'docker.io')
  })

  it('proposes how an address is usually written', () => {
    assert.throws(() => parseRegistryHost('127.1'), {...invalidReference, hints: ['127.0.0.1']})
  })
})

describe('formatPinned', () => {
  it('leaves no tag that could be taken for the image', () => {
    assert.equal(formatPinned(parseReference('localhost:5000/a/b:v1'), SHA256), `localhost:5000/a/b@${SHA256}`)
  })
})

describe('manifestReference', () => {
  it('asks by digest where there is one, else by tag, else for latest', () => {
    assert.equal(manifestReference(parseReference(`a:v1@${SHA256}`)), SHA256)
    assert.equal(manifestReference(parseReference('a:v1')), 'v1')
    assert.equal(manifestReference(parseNamed('a')), 'latest')
  })
})

/** Texts that follow the grammar. */
function arbitraryText(): fc.Arbitrary<string> {
  const host = fc.constantFrom(
    '',
    'localhost/',
    'ghcr.io/',
    'LOCALHOST:5000/',
    '127.0.0.1:80/',
    '[::1]:443/',
    'docker.io/',
    'index.docker.io/',
  )
  const part = fc.stringMatching(/^[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}$/)
  const name = fc.array(part, {minLength: 1, maxLength: 4}).map((parts) => parts.join('/'))
  const tag = fc.oneof(
    fc.constant(''),
    fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/).map((text) => `:${text}`),
  )
  const digest = fc.constantFrom('', `@${SHA256}`, `@${SHA512}`)
  return fc
    .tuple(host, name, tag, digest)
    .filter(([before, path]) => before !== '' || !path.split('/')[0]?.includes('.')) // That would be a host.
    .map((parts) => parts.join(''))
}
