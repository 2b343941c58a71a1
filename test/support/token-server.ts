/** A token server that docker-registry 2.8 and 3 accept: ES256 with the certificate in `x5c` (distribution's token specification). */
import {createPrivateKey, type KeyObject, randomUUID, sign, X509Certificate} from 'node:crypto'
import {readFile} from 'node:fs/promises'
import {createServer, type IncomingMessage} from 'node:http'
import type {AddressInfo} from 'node:net'
import {createSelfSignedCertificate} from './certificates.ts'

const MAX_FORM_BYTES = 64 * 1024

export interface TokenServerOptions {
  /** A folder for its key. */
  readonly directory: string
  /** User name to password. */
  readonly users: Readonly<Record<string, string>>
  /** Which of the wanted actions somebody may do; nobody is undefined. Everything for users and nothing for nobody when absent. */
  readonly allow?: (user: string | undefined, repository: string, actions: readonly string[]) => readonly string[]
  readonly lifetimeSeconds?: number
}

/** One request for a token; holds no password. */
interface TokenRequest {
  readonly method: string
  readonly user: string | undefined
  readonly scopes: readonly string[]
  readonly status: number
}

export interface TokenServer {
  /** `http://127.0.0.1:port/token`. */
  readonly realm: string
  readonly service: string
  readonly issuer: string
  /** For `startDockerRegistry({token})`. */
  readonly registryOptions: {readonly realm: string; readonly service: string; readonly issuer: string; readonly rootCertBundle: string}
  readonly requests: readonly TokenRequest[]
  /** Every token given out: none of them may turn up in a log. */
  readonly tokens: readonly string[]
  stop(): Promise<void>
}

/** Starts a token server on a free port of loopback. */
export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const certificate = await createSelfSignedCertificate(options.directory)
  const key = createPrivateKey(await readFile(certificate.keyFile))
  const x5c = [new X509Certificate(await readFile(certificate.certificateFile)).raw.toString('base64')]
  const service = 'test-registry'
  const issuer = 'test-issuer'
  const requests: TokenRequest[] = []
  const tokens: string[] = []
  const allow = options.allow ?? ((user, _repository, actions) => (user === undefined ? [] : actions))

  const answer = async (request: IncomingMessage): Promise<{status: number; body: object}> => {
    const form = request.method === 'POST' ? await readForm(request) : new URL(request.url ?? '/', 'http://token').searchParams
    const basic = decodeBasic(request.headers.authorization)
    const username = basic?.username ?? form.get('username') ?? undefined
    const password = basic?.password ?? form.get('password') ?? undefined
    const scopes = form.getAll('scope').flatMap((scope) => scope.split(' ').filter((part) => part !== ''))
    const known = username === undefined || options.users[username] === password
    requests.push({method: request.method ?? '', user: username, scopes, status: known ? 200 : 401})
    if (!known) return {status: 401, body: {errors: [{code: 'UNAUTHORIZED', message: 'wrong user name or password'}]}}
    const access = scopes.map(parseScope).map((scope) => ({...scope, actions: allow(username, scope.name, scope.actions)}))
    const now = Math.floor(Date.now() / 1000)
    const lifetime = options.lifetimeSeconds ?? 300
    const claims = {iss: issuer, sub: username ?? '', aud: service, iat: now, nbf: now - 5, exp: now + lifetime, jti: randomUUID(), access}
    const token = signToken(key, {typ: 'JWT', alg: 'ES256', x5c}, claims)
    tokens.push(token)
    return {status: 200, body: {token, access_token: token, expires_in: lifetime, issued_at: new Date(now * 1000).toISOString()}}
  }

  const server = createServer((request, response) => {
    answer(request).then(
      ({status, body}) => {
        response.writeHead(status, {'content-type': 'application/json'}).end(JSON.stringify(body))
      },
      (error: unknown) => {
        response.writeHead(400).end(String(error))
      },
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
  return {
    realm,
    service,
    issuer,
    registryOptions: {realm, service, issuer, rootCertBundle: certificate.certificateFile},
    requests,
    tokens,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function signToken(key: KeyObject, header: object, claims: object): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${input}.${sign('sha256', Buffer.from(input), {key, dsaEncoding: 'ieee-p1363'}).toString('base64url')}`
}

/** `type:name:action,action`; the name may have colons. */
function parseScope(scope: string): {readonly type: string; readonly name: string; readonly actions: readonly string[]} {
  const parts = scope.split(':')
  return {type: parts[0] ?? '', name: parts.slice(1, -1).join(':'), actions: (parts.at(-1) ?? '').split(',')}
}

function decodeBasic(header: string | undefined): {readonly username: string; readonly password: string} | undefined {
  if (header === undefined || !header.startsWith('Basic ')) return undefined
  const [, username = '', password = ''] = /^([^:]*):(.*)$/s.exec(Buffer.from(header.slice(6), 'base64').toString()) ?? []
  return {username, password}
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let text = ''
  for await (const chunk of request) {
    text += String(chunk)
    if (text.length > MAX_FORM_BYTES) throw new Error('form too large')
  }
  return new URLSearchParams(text)
}
