/** The fake foundation, held against what the API v3 of Cloud Foundry and its UAA answer, by plain requests: whoever tests with it tests against this. */
import assert from 'node:assert/strict'
import {FakeCloudFoundry} from '../../support/fake-cf/fake-cf.ts'

const CF = `Basic ${Buffer.from('cf:').toString('base64')}`

describe('the fake foundation', () => {
  let foundation: FakeCloudFoundry
  let spaceGuid: string

  beforeEach(async () => {
    foundation = new FakeCloudFoundry({rotate: true, pollsUntilDone: 1})
    await foundation.start()
    for (const role of ['admin', 'developer', 'auditor'] as const) foundation.addUser({name: role, password: `${role}-password`, role})
    foundation.addClient({id: 'robot', secret: 'robot-secret', role: 'developer'})
    spaceGuid = foundation.addSpace('acme', 'dev').spaceGuid
    await foundation.addApp(spaceGuid, {name: 'shop', image: '127.0.0.1:1/shop:v1', variables: {SECRET: 's'}})
  })
  afterEach(() => foundation.stop())

  type Json = Record<string, unknown>
  interface Answer {
    readonly status: number
    readonly json: Json
    readonly headers: Headers
  }

  async function token(form: Record<string, string>, authorization?: string): Promise<Answer> {
    const headers = authorization === undefined ? {} : {authorization}
    const answer = await fetch(`${foundation.url}/oauth/token`, {method: 'POST', headers, body: new URLSearchParams(form)})
    return {status: answer.status, json: (await answer.json()) as Json, headers: answer.headers}
  }

  const loginAs = async (name: string): Promise<string> =>
    String((await token({grant_type: 'password', username: name, password: `${name}-password`}, CF)).json.access_token)

  async function ask(who: string | undefined, method: string, path: string, body?: unknown): Promise<Answer> {
    const headers = {...(who === undefined ? {} : {authorization: `bearer ${await loginAs(who)}`}), 'content-type': 'application/json'}
    const answer = await fetch(`${foundation.url}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : {body: typeof body === 'string' ? body : JSON.stringify(body)}),
    })
    const text = await answer.text()
    return {status: answer.status, json: text.startsWith('{') ? (JSON.parse(text) as Json) : {text}, headers: answer.headers}
  }

  const errorOf = ({status, json}: Answer) => [
    status,
    ...Object.values((json.errors as {code: number; title: string; detail: string}[])[0] ?? {}),
  ]
  const app = () => `/v3/apps/${foundation.app('shop').guid}`

  it('names its parts in its root, some of which are null, and its prompts in JSON to who wants JSON', async () => {
    const {json} = await ask(undefined, 'GET', '/')
    const links = json.links as Record<string, {href: string; meta?: object} | null>
    assert.deepEqual(
      [links.cloud_controller_v3?.meta, links.credhub, links.login?.href, 'cf_on_k8s' in json],
      [{version: '3.228.0'}, null, foundation.url, false],
    )
    assert.match(await (await fetch(`${foundation.url}/login`)).text(), /^<html>/)
    const prompts = await (await fetch(`${foundation.url}/login`, {headers: {accept: 'application/json'}})).json()
    assert.deepEqual(Object.keys((prompts as {prompts: object}).prompts), ['username', 'password', 'passcode'])
  })

  it('gives tokens by each grant, a refresh token once, and none to clients', async () => {
    const {status, json} = await token({grant_type: 'password', username: 'developer', password: 'developer-password'}, CF)
    assert.deepEqual([status, json.token_type, typeof json.refresh_token], [200, 'bearer', 'string'])
    const again = await token({grant_type: 'refresh_token', refresh_token: String(json.refresh_token)}, CF)
    assert.equal(again.status, 200)
    assert.notEqual(again.json.refresh_token, json.refresh_token)
    assert.equal((await token({grant_type: 'refresh_token', refresh_token: String(json.refresh_token)}, CF)).status, 401)
    const client = await token({grant_type: 'client_credentials', client_id: 'robot', client_secret: 'robot-secret'})
    assert.deepEqual([client.status, client.json.refresh_token], [200, undefined])
    const wrong = await token({grant_type: 'password', username: 'developer', password: 'x'}, CF)
    assert.deepEqual([wrong.status, wrong.json], [401, {error: 'invalid_client', error_description: 'Bad credentials'}])
    assert.equal((await token({grant_type: 'password', username: 'developer', password: 'developer-password'})).status, 401)
  })

  it('answers errors by code, title and detail', async () => {
    assert.deepEqual(errorOf(await ask(undefined, 'GET', '/v3/apps')), [401, 'Authentication error', 'CF-NotAuthenticated', 10002])
    const expired = await fetch(`${foundation.url}/v3/apps`, {headers: {authorization: 'bearer x.e30.y'}})
    assert.equal(expired.status, 401)
    assert.deepEqual(errorOf(await ask('developer', 'GET', '/v3/apps/nowhere')), [404, 'App not found', 'CF-ResourceNotFound', 10010])
    assert.deepEqual(errorOf(await ask('auditor', 'PATCH', app(), {})), [
      403,
      'You are not authorized to perform the requested action',
      'CF-NotAuthorized',
      10003,
    ])
    assert.deepEqual(errorOf(await ask('developer', 'GET', '/v3/apps?colour=red')).slice(0, 1), [400])
    assert.deepEqual(errorOf(await ask('developer', 'PATCH', app(), '{')).at(-1), 1001)
    foundation.disableFeature('diego_docker')
    const {guid} = foundation.state.packages[0] ?? {guid: ''}
    assert.deepEqual(errorOf(await ask('developer', 'POST', '/v3/builds', {package: {guid}})), [
      403,
      'Feature Disabled: diego_docker',
      'CF-FeatureDisabled',
      330002,
    ])
    foundation.rateLimitNext(1, 7)
    const limited = await ask('developer', 'GET', '/v3/apps')
    assert.deepEqual(
      [limited.status, limited.headers.get('retry-after'), limited.headers.get('content-type')],
      [429, '7', 'text/plain; charset=utf-8'],
    )
  })

  it('pages lists, and one that is empty has a page', async () => {
    for (let number = 0; number < 4; number++) await foundation.addApp(spaceGuid, {name: `app-${number}`})
    const {json} = await ask('developer', 'GET', `/v3/apps?per_page=2&space_guids=${spaceGuid}`)
    const pagination = json.pagination as {total_results: number; total_pages: number; next: {href: string}}
    assert.deepEqual([pagination.total_results, pagination.total_pages], [5, 3])
    assert.equal(new URL(pagination.next.href).searchParams.get('page'), '2')
    const empty = (await ask('developer', 'GET', '/v3/apps?names=nobody')).json.pagination as {total_pages: number; next: null}
    assert.deepEqual([empty.total_pages, empty.next], [1, null])
    assert.equal(((await ask('developer', 'GET', '/v3/apps?names=SHOP')).json.resources as {name: string}[])[0]?.name, 'shop')
  })

  it('merges variables, takes texts alone, and echoes all of them', async () => {
    const set = await ask('developer', 'PATCH', `${app()}/environment_variables`, {var: {DIEGO_DOCKER_CACHE: 'true'}})
    assert.deepEqual([set.status, set.json.var], [200, {SECRET: 's', DIEGO_DOCKER_CACHE: 'true'}])
    const wrong = await ask('developer', 'PATCH', `${app()}/environment_variables`, {var: {DIEGO_DOCKER_CACHE: true}})
    assert.deepEqual(errorOf(wrong), [
      422,
      "Non-string value in environment variable for key 'DIEGO_DOCKER_CACHE', value 'true'",
      'CF-UnprocessableEntity',
      10008,
    ])
    for (const name of ['VCAP_X', 'VMC_X', 'PORT'])
      assert.equal((await ask('developer', 'PATCH', `${app()}/environment_variables`, {var: {[name]: 'x'}})).status, 422)
    assert.deepEqual((await ask('developer', 'PATCH', `${app()}/environment_variables`, {var: {DIEGO_DOCKER_CACHE: null}})).json.var, {
      SECRET: 's',
    })
    assert.equal((await ask('auditor', 'GET', `${app()}/environment_variables`)).status, 403)
    await ask('developer', 'GET', `${app()}/environment_variables`)
    assert.equal(foundation.state.auditEvents.length, 1)
  })

  it('keeps metadata of packages and droplets, changes a package’s credentials, and builds one package of an app at a time', async () => {
    const metadata = {annotations: {source: 'alpine:3.20'}}
    const relationships = {app: {data: {guid: foundation.app('shop').guid}}}
    const made = await ask('developer', 'POST', '/v3/packages', {
      type: 'docker',
      relationships,
      data: {image: '127.0.0.1:1/x:v1'},
      metadata,
    })
    const path = `/v3/packages/${made.json.guid}`
    assert.deepEqual(made.json.metadata, {labels: {}, annotations: {source: 'alpine:3.20'}})
    const changed = await ask('developer', 'PATCH', path, {username: 'ann', password: 'secret', metadata: {annotations: {source: null}}})
    assert.deepEqual(changed.json.data, {image: '127.0.0.1:1/x:v1', username: 'ann', password: '***'})
    assert.deepEqual(changed.json.metadata, {labels: {}, annotations: {}})
    const droplet = await ask('developer', 'GET', `${app()}/droplets/current`)
    assert.match(JSON.stringify(droplet.json.links), /"package":\{"href":"[^"]+\/v3\/packages\/[^"]+"\}/)
    const annotated = await ask('developer', 'PATCH', `/v3/droplets/${droplet.json.guid}`, {metadata})
    assert.deepEqual(annotated.json.metadata, {labels: {}, annotations: {source: 'alpine:3.20'}})
    const build = {package: {guid: made.json.guid}}
    assert.equal((await ask('developer', 'POST', '/v3/builds', build)).status, 201)
    assert.deepEqual(errorOf(await ask('developer', 'POST', '/v3/builds', build)), [
      422,
      'Only one build can be STAGING at a time per application.',
      'CF-UnprocessableEntity',
      10008,
    ])
    const {json} = await ask('developer', 'GET', `/v3/builds?app_guids=${foundation.app('shop').guid}&states=STAGING`)
    assert.equal((json.resources as object[]).length, 1)
    assert.deepEqual((await ask('developer', 'GET', `${path}/droplets`)).json.resources, [])
  })

  it('hides a package’s password, and refuses a tag and a digest together', async () => {
    const relationships = {app: {data: {guid: foundation.app('shop').guid}}}
    const made = await ask('developer', 'POST', '/v3/packages', {
      type: 'docker',
      relationships,
      data: {image: 'r/a@sha256:b', username: 'u', password: 'p'},
    })
    assert.deepEqual([made.status, made.json.data], [201, {image: 'r/a@sha256:b', username: 'u', password: '***'}])
    assert.equal(
      (await ask('developer', 'POST', '/v3/packages', {type: 'docker', relationships, data: {image: 'r/a:v1@sha256:b'}})).status,
      422,
    )
  })

  it('pauses a canary deployment until it is continued, and knows no other strategy than those that it takes', async () => {
    const {guid} = foundation.app('shop')
    const create = (strategy: string) =>
      ask('developer', 'POST', '/v3/deployments', {
        droplet: {guid: foundation.app('shop').dropletGuid},
        strategy,
        options: {max_in_flight: 2},
        relationships: {app: {data: {guid}}},
      })
    assert.deepEqual(errorOf(await create('recreate')).slice(0, 2), [422, "Strategy 'recreate' is not a supported deployment strategy"])
    foundation.deployments.behaviours.set('shop', 'RUNNING')
    const made = await create('canary')
    assert.partialDeepStrictEqual(made.json, {strategy: 'canary', options: {max_in_flight: 2}, new_processes: [{type: 'web'}]})
    const path = `/v3/deployments/${String(made.json.guid)}`
    for (const _ of [1, 2]) await ask('developer', 'GET', path)
    assert.partialDeepStrictEqual((await ask('developer', 'GET', path)).json.status, {value: 'ACTIVE', reason: 'PAUSED'})
    const [web] = made.json.new_processes as {guid: string}[]
    assert.partialDeepStrictEqual((await ask('developer', 'GET', `/v3/processes/${web?.guid}/stats`)).json.resources, [
      {type: 'web', index: 0, state: 'RUNNING'},
    ])
    assert.equal((await ask('developer', 'POST', `${path}/actions/continue`)).status, 200)
    assert.partialDeepStrictEqual((await ask('developer', 'GET', path)).json.status, {value: 'FINALIZED', reason: 'DEPLOYED'})
    const late = await ask('developer', 'POST', `${path}/actions/continue`)
    assert.deepEqual(errorOf(late).slice(0, 2), [422, 'Cannot continue a deployment with status: FINALIZED and reason: DEPLOYED'])
  })

  it('selects apps by their labels', async () => {
    await foundation.addApp(spaceGuid, {name: 'blog'})
    await ask('developer', 'PATCH', app(), {metadata: {labels: {tier: 'web'}}})
    for (const [selector, expected] of [
      ['tier=web', ['shop']],
      ['tier', ['shop']],
      ['!tier', ['blog']],
      ['tier!=web', ['blog']],
      ['tier=web,!tier', []],
    ] as const) {
      const {json} = await ask('developer', 'GET', `/v3/apps?label_selector=${encodeURIComponent(selector)}`)
      assert.deepEqual(
        (json.resources as {name: string}[]).map(({name}) => name),
        expected,
        selector,
      )
    }
    assert.equal((await ask('developer', 'GET', '/v3/apps?label_selector=%3D')).status, 400)
  })

  it('fails a build whose image cannot be fetched, and cancels a deployment by going back', async () => {
    const {guid} = foundation.state.packages[0] ?? {guid: ''}
    const build = await ask('developer', 'POST', '/v3/builds', {package: {guid}})
    assert.deepEqual([build.status, build.json.state], [201, 'STAGING'])
    const states: unknown[] = []
    for (const _ of [1, 2, 3]) states.push((await ask('developer', 'GET', `/v3/builds/${String(build.json.guid)}`)).json.state)
    assert.deepEqual(states, ['STAGING', 'FAILED', 'FAILED'])
    const droplet = foundation.app('shop').dropletGuid
    const deployment = await ask('developer', 'POST', '/v3/deployments', {
      droplet: {guid: droplet},
      strategy: 'rolling',
      relationships: {app: {data: {guid: foundation.app('shop').guid}}},
    })
    assert.partialDeepStrictEqual(deployment.json.status, {value: 'ACTIVE', reason: 'DEPLOYING'})
    const set = await ask('developer', 'PATCH', `${app()}/relationships/current_droplet`, {data: {guid: droplet}})
    assert.equal(set.status, 422)
    const path = `/v3/deployments/${String(deployment.json.guid)}`
    assert.equal((await ask('developer', 'POST', `${path}/actions/cancel`)).status, 200)
    for (const _ of [1, 2]) await ask('developer', 'GET', path)
    assert.partialDeepStrictEqual((await ask('developer', 'GET', path)).json.status, {value: 'FINALIZED', reason: 'CANCELED'})
    const late = await ask('developer', 'POST', `${path}/actions/cancel`)
    assert.deepEqual(errorOf(late).slice(0, 2), [422, 'Cannot cancel a deployment with status: FINALIZED and reason: CANCELED'])
  })
})
