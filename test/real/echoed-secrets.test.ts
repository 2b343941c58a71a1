/** Servers that repeat what they were sent, in every encoding: no command shows it, neither to people, nor as JSON, nor with `--debug`. */
import assert from 'node:assert/strict'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ALICE = 'alice'
const PASSWORD = 'canary/5f1c+"&%<é>'
const TOKEN = `eyJhbGciOiJFUzI1NiJ9.${'canary-claims'.repeat(8)}.${'canary-signature'.repeat(5)}`
const SIGNATURE = 'c0ffee'.repeat(10)
const BASIC = Buffer.from(`${ALICE}:${PASSWORD}`).toString('base64')

/** What must be in no output. */
const FORMS = [
  PASSWORD,
  encodeURIComponent(PASSWORD),
  new URLSearchParams({p: PASSWORD}).toString().slice(2),
  JSON.stringify(PASSWORD).slice(1, -1),
  BASIC,
  Buffer.from(PASSWORD).toString('base64').replace(/=+$/, ''),
  TOKEN.slice(0, 40),
  'canary',
  SIGNATURE,
]

/** What a request has shown, as servers repeat it. */
function echo(request: IncomingMessage): string {
  const authorization = request.headers.authorization ?? ''
  const [, basic] = /^Basic (.*)$/.exec(authorization) ?? []
  const password = basic === undefined ? '' : Buffer.from(basic, 'base64').toString().split(':').slice(1).join(':')
  const forms = [password, encodeURIComponent(password), JSON.stringify(password), authorization, request.url ?? '']
  return `no right for ${forms.filter((form) => form !== '' && form !== '""').join(' ')}`
}

type Way = (request: IncomingMessage, response: ServerResponse, url: string) => void

const fail = (request: IncomingMessage, response: ServerResponse, status: number): void =>
  void response
    .writeHead(status, {'content-type': 'application/json'})
    .end(JSON.stringify({errors: [{code: echo(request).slice(-60), message: echo(request)}], error_description: echo(request)}))
const challenge = (response: ServerResponse, scheme: string): void => void response.writeHead(401, {'www-authenticate': scheme}).end()
const isToken = (request: IncomingMessage): boolean => request.url?.startsWith('/token') === true

const WAYS: Readonly<Record<string, Way>> = {
  'a registry repeats Basic credentials': (request, response) =>
    request.headers.authorization === undefined ? challenge(response, 'Basic realm="r"') : fail(request, response, 400),
  'a token endpoint repeats Basic credentials': (request, response, url) =>
    isToken(request) ? fail(request, response, 400) : challenge(response, `Bearer realm="${url}/token",service="s"`),
  'a registry repeats its token': (request, response, url) => {
    if (isToken(request)) response.writeHead(200).end(JSON.stringify({token: TOKEN}))
    else if (request.headers.authorization === undefined) challenge(response, `Bearer realm="${url}/token",service="s"`)
    else fail(request, response, 400)
  },
  'a blob store repeats a signed URL': (request, response, url) => {
    if (request.url?.startsWith('/signed') === true) fail(request, response, 403)
    else if (request.url === '/v2/') response.writeHead(200).end('{}')
    else
      response
        .writeHead(307, {location: `${url}/signed?X-Amz-Signature=${SIGNATURE}&X-Amz-Security-Token=${encodeURIComponent(TOKEN)}`})
        .end()
  },
  'a registry sends what it was sent as a place to go': (request, response) =>
    request.headers.authorization === undefined
      ? challenge(response, 'Basic realm="r"')
      : void response.writeHead(307, {location: `http://169.254.169.254/${encodeURIComponent(echo(request))}?s=${BASIC}`}).end(),
  'a registry sends what it was sent as a path of its own': (request, response, url) =>
    request.headers.authorization === undefined
      ? challenge(response, 'Basic realm="r"')
      : void response.writeHead(307, {location: `${url}/${encodeURIComponent(PASSWORD)}/${BASIC}`}).end(),
}

describe('secrets that servers repeat', function () {
  this.timeout(300_000)
  const afterwards = cleanUpAfterwards()
  let user: Holdfast
  let way: Way = (_request, response) => void response.end()
  let url: string
  let host: string

  before(async () => {
    const temporary = await createTemporaryDirectory('echoed-secrets')
    afterwards(temporary.remove)
    const server = createServer((request, response) => {
      request.resume()
      request.on('end', () => way(request, response, url))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    afterwards(() => new Promise<void>((resolve) => void server.close(() => resolve()).closeAllConnections()))
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    url = `http://${host}`
    const variable = `HOLDFAST_AUTH_${host.replaceAll(/[.:]/g, '_')}`
    user = await createHoldfast(temporary.path, {[`${variable}_USERNAME`]: ALICE, [`${variable}_PASSWORD`]: PASSWORD})
  })

  for (const [what, how] of Object.entries(WAYS)) {
    it(`are in no output when ${what}`, async () => {
      way = how
      const image = `${host}/team/app:v1`
      let masked = 0
      for (const args of [
        ['whoami', host],
        ['inspect', image],
        ['copy', image, `oci:${user.home}/layout`],
        ['cache-image', image],
        ['tag', 'list', `${host}/team/app`],
        ['registry', 'add', 'lab', url, '--plain-http'],
        ['registry', 'check', 'lab'],
        ['registry', 'remove', 'lab', '--yes'],
        ['login', host, '-u', ALICE, '--password-stdin'],
      ]) {
        for (const more of [['--debug'], ['--json']]) {
          const {stdout, stderr} = await user.run([...args, ...more], args[0] === 'login' ? {input: PASSWORD} : {})
          const said = `${stdout}\n${stderr}`
          for (const form of FORMS) assert.ok(!said.includes(form), `"${form}" in what ${args.join(' ')} says: ${said}`)
          if (said.includes('***')) masked++
        }
      }
      // It was repeated, and seen to be.
      assert.ok(masked >= 6, `only ${masked} outputs repeat anything`)
    })
  }
})
