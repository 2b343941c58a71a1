/** The builder at registries of Amazon: the keys of an account are exchanged, with a signature that is computed here once more, and are shown to no registry. */
import assert from 'node:assert/strict'
import {createHash, createHmac} from 'node:crypto'
import {createServer, type IncomingHttpHeaders} from 'node:http'
import type {AddressInfo} from 'node:net'
import {join} from 'node:path'
import {Secret} from '../../src/lib/core/secret.ts'
import {requestEcrPassword} from '../../src/lib/object-storage/ecr.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const HOST = '555555555555.dkr.ecr.eu-central-1.amazonaws.com'
const ACCESS_KEY = 'AKIDEXAMPLE'
const SECRET_KEY = 'canary/of-the+secret-key'
const PASSWORD = 'canary-of-the-ecr-password'

interface Asked {
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly host: string
}

describe('the builder at a registry of Amazon', function () {
  this.timeout(60_000)
  const afterwards = cleanUpAfterwards()
  const asked: Asked[] = []
  let answer: {status: number; body: object}
  let endpoint: string
  let user: Holdfast
  let folder: string

  before(async () => {
    const temporary = await createTemporaryDirectory('ecr')
    afterwards(temporary.remove)
    folder = temporary.path
    user = await createHoldfast(folder)
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => (body += String(chunk)))
      request.on('end', () => {
        asked.push({headers: request.headers, body, host: request.headers.host ?? ''})
        response.writeHead(answer.status, {'content-type': 'application/x-amz-json-1.1'}).end(JSON.stringify(answer.body))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    afterwards(() => void server.close())
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })

  beforeEach(() => {
    asked.length = 0
    const token = Buffer.from(`AWS:${PASSWORD}`).toString('base64')
    answer = {status: 200, body: {authorizationData: [{authorizationToken: token, proxyEndpoint: `https://${HOST}`}]}}
  })

  it('asks the API for a password, signed for the account’s region', async () => {
    const keys = {accessKey: ACCESS_KEY, secretKey: new Secret(SECRET_KEY)}
    const {username, password} = await requestEcrPassword(HOST, keys, {endpoint: new URL(endpoint)})
    assert.deepEqual([username, password.reveal()], ['AWS', PASSWORD])
    const [request] = asked
    assert.ok(request !== undefined)
    assert.equal(request.headers['x-amz-target'], 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken')
    assert.equal(request.headers['content-type'], 'application/x-amz-json-1.1')
    assert.deepEqual(JSON.parse(request.body), {registryIds: ['555555555555']})
    assert.equal(request.headers.authorization, signatureOf(request))
    assert.ok(!JSON.stringify(request).includes('canary'), 'the secret key was sent')
  })

  it('fails in the builder’s words where the keys are refused or the answer is none, and shows no key', async () => {
    const build = () =>
      user.run(
        [
          ...['builder', '-dockerRef', `${HOST}/shop:v1`, '-outputMetadataJSONFilename', join(folder, 'result.json')],
          ...['-dockerUser', ACCESS_KEY, '-dockerPassword', SECRET_KEY],
        ],
        {env: {AWS_ENDPOINT_URL_ECR: endpoint}},
      )
    for (const [status, body, reason] of [
      [
        400,
        {__type: 'UnrecognizedClientException', message: `The security token is invalid: ${SECRET_KEY}`},
        'it refuses the keys (400 Unrec',
      ],
      [500, {}, 'it fails (500)'],
      [200, {authorizationData: []}, 'its answer has no authorization token'],
      [200, {authorizationData: [{authorizationToken: 'bm90aGluZw=='}]}, 'its answer has no authorization token'],
    ] as const) {
      answer = {status, body}
      const {exitCode, stdout, stderr} = await build()
      assert.equal(exitCode, 2, stdout + stderr)
      const start = `Staging process failed: failed to get ECR credentials from [${HOST}] due to `
      assert.ok(stderr.startsWith(start) && stderr.includes(reason), stderr)
      assert.ok(!(stdout + stderr).includes('canary'), stdout + stderr)
    }
  })

  it('asks for no password of other registries', async () => {
    for (const [image, login] of [
      ['127.0.0.1:1/shop:v1', ['-dockerUser', ACCESS_KEY, '-dockerPassword', SECRET_KEY]],
      [`127.0.0.1:1/${HOST}/shop:v1`, ['-dockerUser', ACCESS_KEY, '-dockerPassword', SECRET_KEY]],
    ] as const) {
      const args = ['builder', '-dockerRef', image, '-outputMetadataJSONFilename', join(folder, 'result.json'), ...login]
      const {exitCode} = await user.run(args, {env: {AWS_ENDPOINT_URL_ECR: endpoint}})
      assert.equal(exitCode, 2)
    }
    assert.deepEqual(asked, [])
  })
})

/** The header as AWS computes it from what arrived (Signature Version 4). */
function signatureOf({headers, body, host}: Asked): string {
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
  const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest()
  const signed = /SignedHeaders=([a-z0-9;-]+)/.exec(headers.authorization ?? '')?.[1] ?? ''
  const values: Readonly<Record<string, unknown>> = {...headers, host}
  const canonical = signed.split(';').map((name) => `${name}:${String(values[name])}\n`)
  const request = ['POST', '/', '', `${canonical.join('')}`, signed, sha256(body)].join('\n')
  const date = String(headers['x-amz-date'])
  const day = date.slice(0, 8)
  const scope = `${day}/eu-central-1/ecr/aws4_request`
  const key = ['eu-central-1', 'ecr', 'aws4_request'].reduce<Buffer>(
    (previous, part) => hmac(previous, part),
    hmac(`AWS4${SECRET_KEY}`, day),
  )
  const signature = hmac(key, ['AWS4-HMAC-SHA256', date, scope, sha256(request)].join('\n')).toString('hex')
  return `AWS4-HMAC-SHA256 Credential=${ACCESS_KEY}/${scope}, SignedHeaders=${signed}, Signature=${signature}`
}
