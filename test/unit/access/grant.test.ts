import assert from 'node:assert/strict'
import fc from 'fast-check'
import type {Principal} from '../../../src/lib/access/decide.ts'
import {grantScopes, MAX_SCOPES} from '../../../src/lib/access/grant.ts'
import {classifyPath, ownerId} from '../../../src/lib/access/repository-path.ts'
import {parseScopes} from '../../../src/lib/auth/scope.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'

const ALL: Principal = {kind: 'user', privileges: new Set(['Manager', 'Pusher', 'Puller'] as const)}
const REGISTRY = {restricted: true, published: true, responsible: true}

/** User 1, called alice, with all rights that there are. */
const grant = (scopes: string, principal = ALL, registry = REGISTRY) =>
  grantScopes({
    principal,
    registry,
    scopes: parseScopes(scopes),
    resolve: async (repository) => {
      const path = classifyPath(repository)
      if (path.kind !== 'owned') return path
      const isOwn = path.class === 'users' && (path.owner === 'alice' || ownerId(path.owner) === 1)
      return {kind: 'owned', class: path.class, relation: isOwn ? 'own' : 'foreign'}
    },
  })

const access = async (scopes: string) => (await grant(scopes)).access.map(({name, actions}) => `${name}:${actions.join(',')}`)

describe('what a repository path belongs to', () => {
  const cases = [
    ['users/1/opensvc/busybox', 'users 1'],
    ['users/1/x', 'users 1'],
    ['users/10/x', 'users 10'],
    ['users/01/x', 'users 01'],
    ['users/alice/x', 'users alice'],
    ['groups/2/x', 'groups 2'],
    ['apps/shop/web/api', 'apps shop'],
    ['users', 'reserved'],
    ['groups', 'reserved'],
    ['apps', 'reserved'],
    ['users/1', 'reserved'],
    ['groups/2', 'reserved'],
    ['apps/3', 'reserved'],
    ['usersx/1/y', 'other'],
    ['appserver/x', 'other'],
    ['groups-old/1/y', 'other'],
    ['library/users/1', 'other'],
    ['base', 'other'],
    ['users/+1/x', 'invalid'],
    ['users/Alice/x', 'invalid'],
    ['users/../groups/2/x', 'invalid'],
    ['users/1//x', 'invalid'],
    ['/users/1/x', 'invalid'],
    ['users/1/x/', 'invalid'],
    ['%75sers/1/x', 'invalid'],
    ['users/1/x ', 'invalid'],
    ['host.example:5000/users/1/x', 'invalid'],
    ['', 'invalid'],
    ['a'.repeat(256), 'invalid'],
  ] as const
  for (const [name, expected] of cases) {
    it(`is ${expected} for "${name.slice(0, 40)}"`, () => {
      const path = classifyPath(name)
      assert.equal(path.kind === 'owned' ? `${path.class} ${path.owner}` : path.kind, expected)
    })
  }

  it('is the second component, as it is written, whatever stands there', () => {
    const name = fc.string({unit: fc.constantFrom('a', '1', '0', '/', '.', '-', '_', 'A', '%', ' '), maxLength: 20})
    fc.assert(
      fc.property(fc.constantFrom('users', 'groups', 'apps'), name, (first, rest) => {
        const path = classifyPath(`${first}/${rest}`)
        if (path.kind === 'owned') assert.deepEqual([path.class, path.owner], [first, rest.split('/')[0]])
      }),
    )
  })

  it('is an id when it is a number as ids are written', () => {
    assert.deepEqual(['1', '10', '01', '0', '1e3', '99999999999999999999', 'a'].map(ownerId), [
      1,
      10,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })
})

describe('what a token grants', () => {
  it('is what is asked, as far as the policy goes; less is no error', async () => {
    assert.deepEqual(await access('repository:users/1/x:pull,push'), ['users/1/x:pull,push'])
    assert.deepEqual(await access('repository:users/10/x:pull'), [])
    assert.deepEqual(await access('repository:users/alice/x:pull repository:users/bob/x:pull repository:base:pull'), [
      'base:pull',
      'users/alice/x:pull',
    ])
  })

  it('never is everything, and no word that no registry asks for', async () => {
    assert.deepEqual(await access('repository:base:*'), ['base:delete,pull,push'])
    assert.deepEqual(await access('repository:base:admin,pull'), ['base:pull'])
    const {access: nothing, decisions} = await grant('repository(plugin):base:pull registry:other:* foo:base:pull')
    assert.deepEqual(nothing, [])
    assert.deepEqual([...new Set(decisions.map(({rule}) => rule))], ['X2'])
  })

  it('is search for those who see the registry, and the catalog for nobody', async () => {
    assert.deepEqual(await access('registry:catalog:search'), ['catalog:search'])
    assert.deepEqual(await access('registry:catalog:*'), [])
    assert.deepEqual(await access('registry:catalog:pull'), [])
    const {access: unseen} = await grant('registry:catalog:search', ALL, {restricted: true, published: false, responsible: false})
    assert.deepEqual(unseen, [])
  })

  it('is refused as a whole for too many scopes', async () => {
    const many = (count: number) => Array.from({length: count}, (_, number) => `repository:r${number}:pull`).join(' ')
    assert.equal((await grant(many(MAX_SCOPES))).access.length, MAX_SCOPES)
    await assert.rejects(grant(many(10_000)), (error) => hasCode(error, 'USAGE'))
  })

  it('is part of what was asked, without a star, whatever that was', async () => {
    const word = fc.string({
      unit: fc.constantFrom('a', 'users', 'groups', 'apps', '/', '1', ':', '*', 'pull', 'push', ',', '.', 'A'),
      maxLength: 8,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(word, {maxLength: 5}), async (words) => {
        const asked = parseScopes(words.map((text) => `repository:${text}`).join(' '))
        const {access: granted} = await grantScopes({
          principal: ALL,
          registry: REGISTRY,
          scopes: asked,
          resolve: async (name) => {
            const path = classifyPath(name)
            return path.kind === 'owned' ? {...path, relation: 'own'} : path
          },
        })
        for (const {name, actions} of granted) {
          const wanted = asked.find((scope) => scope.name === name)
          assert.ok(wanted)
          for (const action of actions) assert.ok(wanted.actions.includes(action) || wanted.actions.includes('*'))
          assert.ok(!actions.includes('*'))
        }
      }),
    )
  })
})
