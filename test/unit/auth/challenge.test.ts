import assert from 'node:assert/strict'
import fc from 'fast-check'
import {parseChallenges} from '../../../src/lib/auth/challenge.ts'

const plain = (header: string) => parseChallenges(header).map((challenge) => ({...challenge, parameters: {...challenge.parameters}}))

describe('a WWW-Authenticate header', () => {
  it('gives realm, service and scope of a bearer challenge, commas inside quotes included', () => {
    const header =
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push",error="invalid_token"'
    assert.deepEqual(plain(header), [
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.example/token',
          service: 'registry.example',
          scope: 'repository:a/b:pull,push',
          error: 'invalid_token',
        },
      },
    ])
  })

  for (const [title, header, expected] of [
    [
      'several challenges',
      'Basic realm="a", Bearer realm="b" , service=c',
      [
        ['basic', {realm: 'a'}],
        ['bearer', {realm: 'b', service: 'c'}],
      ],
    ],
    [
      'a scheme alone before another',
      'Negotiate, Basic realm="x"',
      [
        ['negotiate', {}],
        ['basic', {realm: 'x'}],
      ],
    ],
    ['escaped quotes', 'Basic realm="a \\"b\\" \\\\ c"', [['basic', {realm: 'a "b" \\ c'}]]],
    [
      'white space around equals signs and empty list members',
      ', Basic  realm = "x" ,, charset="UTF-8",',
      [['basic', {realm: 'x', charset: 'UTF-8'}]],
    ],
    ['an unquoted URL, as some registries send it', 'Bearer realm=https://a.example/t', [['bearer', {realm: 'https://a.example/t'}]]],
    ['the first of a repeated parameter', 'Basic realm="a", realm="b"', [['basic', {realm: 'a'}]]],
    [
      'what comes before an unterminated quote',
      'Basic realm="a", Bearer realm="b',
      [
        ['basic', {realm: 'a'}],
        ['bearer', {}],
      ],
    ],
    ['nothing for an empty header', '', []],
  ] as const) {
    it(`is read with ${title}`, () => {
      assert.deepEqual(
        plain(header).map(({scheme, parameters}) => [scheme, parameters]),
        expected,
      )
    })
  }

  it('gives a token68, and does not take it for a parameter', () => {
    assert.deepEqual(plain('Negotiate abc+/d==, Basic realm="x"'), [
      {scheme: 'negotiate', token68: 'abc+/d==', parameters: {}},
      {scheme: 'basic', parameters: {realm: 'x'}},
    ])
  })

  it('holds no parameter that it was not sent, such as those of Object.prototype', () => {
    const [challenge] = parseChallenges('Basic __proto__="x", realm="y"')
    assert.equal(challenge?.parameters.realm, 'y')
    assert.equal(challenge?.parameters.constructor, undefined)
  })

  it('is read back as it was written, whatever challenges it is made of', () => {
    const token = fc.stringMatching(/^[a-z][a-z0-9_.-]{0,10}$/)
    const challenge = fc.record(
      {
        scheme: token,
        parameters: fc.uniqueArray(fc.tuple(token, fc.string({maxLength: 20})), {selector: ([name]) => name, minLength: 1, maxLength: 4}),
      },
      {noNullPrototype: true},
    )
    fc.assert(
      fc.property(fc.array(challenge, {maxLength: 4}), (challenges) => {
        const written = challenges.map(
          ({scheme, parameters}) =>
            `${scheme} ${parameters.map(([name, value]) => `${name}="${value.replace(/["\\]/g, '\\$&')}"`).join(', ')}`,
        )
        assert.deepEqual(
          parseChallenges(written.join(', ')).map(({scheme, parameters}) => ({scheme, parameters: Object.entries(parameters)})),
          challenges,
        )
      }),
    )
  })

  it('is read without an error and in bounded time, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.string({maxLength: 200, unit: fc.constantFrom('a', '=', '"', '\\', ',', ' ', '\t', 'Bearer ', 'é')}),
        (text) => parseChallenges(text).length >= 0,
      ),
    )
    const started = performance.now()
    parseChallenges(`Basic realm="${'\\a'.repeat(100_000)}`)
    parseChallenges(', '.repeat(100_000))
    parseChallenges('a '.repeat(100_000))
    // Milliseconds when linear, and far longer when quadratic.
    assert.ok(performance.now() - started < 10_000)
  })
})
