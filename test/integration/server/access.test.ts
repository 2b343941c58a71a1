/** What a registry with accounts does with the token of a request, beside a genuine docker-registry with the same access. */
import assert from 'node:assert/strict'
import {createHash, randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {request} from 'node:http'
import {parseScopes} from '../../../src/lib/auth/scope.ts'
import {createFilesystemStore, type FilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {parseDigest} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {createAccessControl} from '../../../src/lib/server/access-control.ts'
import {createRegistryServer, type RegistryServer} from '../../../src/lib/server/registry-server.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {startDockerRegistry} from '../../support/docker-registry.ts'
import {findProgram} from '../../support/required-program.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'
import {startTokenServer} from '../../support/token-server.ts'

const BLOB = randomBytes(100_000)
const DIGEST = parseDigest(`sha256:${createHash('sha256').update(BLOB).digest('hex')}`)
const HALF = BLOB.length / 2
const target = parseRepositoryName('team/target')

interface Upload {
  readonly status: number
  readonly location: string | null
  readonly challenge: string | null
  readonly body: string
}

describe('a registry with accounts', () => {
  const afterwards = cleanUpAfterwards()
  let directory: TemporaryDirectory
  let store: FilesystemStore
  let server: RegistryServer
  let base: string
  /** Tokens are their scopes; these have ended. */
  const ended = new Set<string>()
  const disabled = new Set<string>()
  let isDatabaseAway = false

  before(async () => {
    directory = await createTemporaryDirectory('access')
    afterwards(directory.remove)
    store = createFilesystemStore({root: directory.path})
    afterwards(() => store.close())
    server = createRegistryServer({isGuarded: true})
    server.answer({
      store,
      changes: store,
      accessControl: createAccessControl({
        verifyToken: (token) => {
          const text = Buffer.from(token, 'base64url').toString()
          return ended.has(text) ? undefined : {subject: 'ann', access: parseScopes(text)}
        },
        service: 'embedded',
        mayPull: () => async (repository) => {
          if (isDatabaseAway) throw new HoldfastError('STORAGE', 'cannot use database "PostgreSQL": it does not respond')
          return repository.startsWith('team/')
        },
        isActive: async (subject) => !disabled.has(subject),
        originOf: () => 'https://registry.example.com',
      }),
    })
    afterwards(() => server.close({graceMs: 0}))
    const {port} = await server.listen({host: '127.0.0.1', port: 0})
    base = `http://127.0.0.1:${port}`
    for (const name of ['team/source', 'secret/source']) {
      const pushed = await send('POST', `/v2/${name}/blobs/uploads/?digest=${DIGEST}`, `repository:${name}:pull,push`, BLOB)
      assert.equal(pushed.status, 201)
    }
  })

  async function send(method: string, path: string, scopes: string, body?: Buffer<ArrayBuffer>): Promise<Response> {
    const headers = {authorization: `Bearer ${Buffer.from(scopes).toString('base64url')}`}
    return await fetch(`${base}${path}`, {method, headers, ...(body === undefined ? {} : {body})})
  }

  const mount = async (from: string, scopes: string): Promise<Upload> => {
    const answer = await send('POST', `/v2/${target}/blobs/uploads/?mount=${DIGEST}&from=${from}`, scopes)
    const {status, headers} = answer
    return {status, location: headers.get('location'), challenge: headers.get('www-authenticate'), body: await answer.text()}
  }
  const TARGET = `repository:${target}:pull,push`

  it('says when to come again while the database that knows what an account may pull is away', async () => {
    isDatabaseAway = true
    try {
      for (const answer of [
        await send('GET', '/v2/_catalog', 'repository:team/source:pull'),
        await send('POST', `/v2/${target}/blobs/uploads/?mount=${DIGEST}&from=team/source`, TARGET),
      ]) {
        assert.deepEqual([answer.status, answer.headers.get('retry-after')], [503, '5'])
        assert.match(await answer.text(), /"UNAVAILABLE"/)
      }
    } finally {
      isDatabaseAway = false
    }
  })

  it('mounts from a source that the token lets pull', async () => {
    const mounted = await mount('team/source', `${TARGET} repository:team/source:pull`)
    assert.equal(mounted.status, 201)
    assert.equal(mounted.location, `/v2/${target}/blobs/${DIGEST}`)
    assert.equal(await store.deleteBlob(target, DIGEST), true)
  })

  it('opens an upload instead of a mount from a source that the account may not pull, and does not tell whether it exists', async () => {
    for (const from of ['secret/source', 'secret/none']) {
      const opened = await mount(from, TARGET)
      assert.equal(opened.status, 202, from)
      assert.match(opened.location ?? '', new RegExp(`^/v2/${target}/blobs/uploads/[0-9a-f-]{36}$`))
      assert.deepEqual([opened.challenge, opened.body], [null, ''])
    }
    assert.equal(await store.statBlob(target, DIGEST), undefined)
  })

  it('asks for a token for both repositories when the account may pull the source, as docker-registry does', async function () {
    const asked = await mount('team/source', TARGET)
    assert.equal(asked.status, 401)
    assert.equal(
      asked.challenge,
      `Bearer realm="https://registry.example.com/token",service="embedded",scope="${TARGET} repository:team/source:pull",error="insufficient_scope"`,
    )
    assert.equal(await store.statBlob(target, DIGEST), undefined)

    if (findProgram('docker-registry') === undefined) return this.skip()
    const tokens = await startTokenServer({directory: directory.path, users: {ann: 'secret'}})
    afterwards(tokens.stop)
    const genuine = await startDockerRegistry({token: tokens.registryOptions})
    afterwards(genuine.stop)
    const basic = {authorization: `Basic ${Buffer.from('ann:secret').toString('base64')}`}
    const answered = await fetch(`${tokens.realm}?service=${tokens.service}&scope=${TARGET}`, {headers: basic})
    const {token} = (await answered.json()) as {token: string}
    const theirs = await fetch(`${genuine.url}/v2/${target}/blobs/uploads/?mount=${DIGEST}&from=team/source`, {
      method: 'POST',
      headers: {authorization: `Bearer ${token}`},
    })
    assert.equal(theirs.status, 401)
    const scopesOf = (challenge: string | null): unknown => parseScopes(/scope="([^"]*)"/.exec(challenge ?? '')?.[1] ?? '')
    assert.deepEqual(scopesOf(asked.challenge), scopesOf(theirs.headers.get('www-authenticate')))
  })

  it('asks for the target alone when the token is not even for that', async () => {
    const asked = await mount('team/source', 'repository:team/source:pull')
    assert.equal(asked.status, 401)
    assert.match(asked.challenge ?? '', /error="insufficient_scope"$/)
  })

  it('lets a request end whose token ends meanwhile, and the upload go on with the next token', async () => {
    const [first, second] = [`${TARGET} repository:first:pull`, `${TARGET} repository:second:pull`]
    const opened = await send('POST', `/v2/${target}/blobs/uploads/`, first)
    const location = opened.headers.get('location') ?? ''
    const sent = request(`${base}${location}`, {
      method: 'PATCH',
      headers: {authorization: `Bearer ${Buffer.from(first).toString('base64url')}`, 'Content-Length': HALF},
    })
    const answered = once(sent, 'response')
    sent.write(BLOB.subarray(0, 1000))
    // The server has begun with the request once the first bytes are in the upload.
    for (let offset = ''; offset !== '0-999'; ) offset = (await send('GET', location, second)).headers.get('range') ?? ''
    ended.add(first)
    sent.end(BLOB.subarray(1000, HALF))
    const [chunk] = await answered
    assert.equal(chunk.statusCode, 202)
    const finish = `${location}?digest=${DIGEST}`
    const refused = await send('PUT', finish, first, BLOB.subarray(HALF))
    assert.equal(refused.status, 401)
    assert.match(refused.headers.get('www-authenticate') ?? '', /error="invalid_token"$/)
    assert.equal((await send('GET', location, second)).headers.get('range'), `0-${HALF - 1}`)
    assert.equal((await send('PUT', finish, second, BLOB.subarray(HALF))).status, 201)
    assert.equal(await store.statBlob(target, DIGEST), BLOB.length)
  })

  it('refuses the token of an account that has nothing any more, though it has not ended', async () => {
    const headers = {authorization: `Bearer ${Buffer.from('repository:team/target:pull').toString('base64url')}`}
    const get = async () => await fetch(`${base}/v2/team/target/tags/list`, {headers})
    assert.notEqual((await get()).status, 401)
    disabled.add('ann')
    try {
      for (const path of ['team/target/tags/list', '_catalog', '']) {
        const answer = await fetch(`${base}/v2/${path}`, {headers})
        assert.equal(answer.status, 401, path)
        assert.match(answer.headers.get('www-authenticate') ?? '', /error="invalid_token"/)
      }
    } finally {
      disabled.delete('ann')
    }
  })
})
