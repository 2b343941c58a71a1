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
  /** Ways to ask; a way that is not offered is answered with 404. Both when absent. */
  readonly ways?: readonly TokenWay[]
  /** Absent: it gives none, and takes none. */
  readonly refreshTokens?: RefreshTokenRules
}

/** `get` is distribution's token authentication, `form` the OAuth 2 POST. */
type TokenWay = 'get' | 'form'

export interface RefreshTokenRules {
  /** Which ways of asking with a password, for offline use, are answered with one. */
  readonly givenBy: readonly TokenWay[]
  /** Every exchange gives a new one and ends the old one. */
  readonly rotate?: boolean
  /** They are JWTs that say when they end, in seconds since the epoch. */
  readonly exp?: number
  /** They are given and not taken. */
  readonly worthless?: boolean
}

/** What a request for a token proves itself with. */
type Grant = 'basic' | 'password' | 'refresh_token' | 'anonymous'

/** One request for a token; holds no password. */
interface TokenRequest {
  readonly method: string
  readonly grant: Grant
  readonly user: string | undefined
  readonly scopes: readonly string[]
  readonly status: number
  /** The names of its query or form. */
  readonly fields: readonly string[]
}

interface TokenAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: object
}

export interface TokenServer {
  /** `http://127.0.0.1:port/token`. */
  readonly realm: string
  readonly service: string
  readonly issuer: string
  /** For `startDockerRegistry({token})`. */
  readonly registryOptions: {readonly realm: string; readonly service: string; readonly issuer: string; readonly rootCertBundle: string}
  readonly requests: readonly TokenRequest[]
  /** Every token given out, refresh tokens included: none of them may turn up in a log. */
  readonly tokens: readonly string[]
  /** The refresh tokens that are still good, oldest first. */
  refreshTokens(): readonly string[]
  /** Gives a refresh token to a user, as an earlier login would have. */
  issueRefreshToken(user: string): string
  /** Ends every refresh token. */
  revokeRefreshTokens(): void
  /** Refuses a user from now on, whatever the password, in UAA's words. */
  lock(user: string): void
  /** Answers instead of the server where it answers something; set it to undefined to end that. */
  fault: ((request: Pick<TokenRequest, 'method' | 'grant'>) => TokenAnswer | undefined) | undefined
  stop(): Promise<void>
}

const LOCKED_MESSAGE = 'Your account has been locked because of too many failed attempts to login.'
const WRONG_PASSWORD = {status: 401, body: {errors: [{code: 'UNAUTHORIZED', message: 'wrong user name or password'}]}}
const WRONG_REFRESH_TOKEN = {status: 400, body: {error: 'invalid_grant', error_description: 'the refresh token is not known'}}

/** Starts a token server on a free port of loopback. */
export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const certificate = await createSelfSignedCertificate(options.directory)
  const key = createPrivateKey(await readFile(certificate.keyFile))
  const x5c = [new X509Certificate(await readFile(certificate.certificateFile)).raw.toString('base64')]
  const service = 'test-registry'
  const issuer = 'test-issuer'
  const requests: TokenRequest[] = []
  const tokens: string[] = []
  /** Token to user. */
  const refreshTokens = new Map<string, string>()
  const locked = new Set<string>()
  const allow = options.allow ?? ((user, _repository, actions) => (user === undefined ? [] : actions))

  const issueRefreshToken = (user: string): string => {
    const {exp} = options.refreshTokens ?? {}
    const token =
      exp === undefined ? `refresh-${randomUUID()}` : signToken(key, {typ: 'JWT', alg: 'ES256'}, {sub: user, exp, jti: randomUUID()})
    tokens.push(token)
    refreshTokens.set(token, user)
    return token
  }

  const issueToken = (user: string | undefined, scopes: readonly string[], refreshToken: string | undefined): TokenAnswer => {
    const access = scopes.map(parseScope).map((scope) => ({...scope, actions: allow(user, scope.name, scope.actions)}))
    const now = Math.floor(Date.now() / 1000)
    const lifetime = options.lifetimeSeconds ?? 300
    const claims = {iss: issuer, sub: user ?? '', aud: service, iat: now, nbf: now - 5, exp: now + lifetime, jti: randomUUID(), access}
    const token = signToken(key, {typ: 'JWT', alg: 'ES256', x5c}, claims)
    tokens.push(token)
    return {
      status: 200,
      body: {
        token,
        access_token: token,
        expires_in: lifetime,
        issued_at: new Date(now * 1000).toISOString(),
        ...(refreshToken === undefined ? {} : {refresh_token: refreshToken}),
      },
    }
  }

  const exchange = (refreshToken: string, scopes: readonly string[]): TokenAnswer => {
    const user = refreshTokens.get(refreshToken)
    if (user === undefined || options.refreshTokens?.worthless) return WRONG_REFRESH_TOKEN
    if (locked.has(user)) return {status: 401, body: {error: 'unauthorized', error_description: LOCKED_MESSAGE}}
    if (!options.refreshTokens?.rotate) return issueToken(user, scopes, refreshToken)
    refreshTokens.delete(refreshToken)
    return issueToken(user, scopes, issueRefreshToken(user))
  }

  const answerTo = async (request: IncomingMessage): Promise<TokenAnswer> => {
    const method = request.method ?? ''
    const way = method === 'POST' ? 'form' : 'get'
    const form = way === 'form' ? await readForm(request) : new URL(request.url ?? '/', 'http://token').searchParams
    const basic = decodeBasic(request.headers.authorization)
    const user = basic?.username ?? form.get('username') ?? undefined
    const password = basic?.password ?? form.get('password') ?? undefined
    const grant =
      form.get('grant_type') === 'refresh_token' ? 'refresh_token' : basic ? 'basic' : user === undefined ? 'anonymous' : 'password'
    const scopes = form.getAll('scope').flatMap((scope) => scope.split(' ').filter((part) => part !== ''))
    const decide = (): TokenAnswer => {
      const fault = server.fault?.({method, grant})
      if (fault !== undefined) return fault
      if (options.ways?.includes(way) === false) return {status: 404, body: {}}
      if (grant === 'refresh_token') return exchange(form.get('refresh_token') ?? '', scopes)
      if (user !== undefined && locked.has(user)) return {status: 401, body: {error: 'unauthorized', error_description: LOCKED_MESSAGE}}
      if (user !== undefined && options.users[user] !== password) return WRONG_PASSWORD
      const isOffline = form.get('offline_token') === 'true' || form.get('access_type') === 'offline'
      const gives = user !== undefined && isOffline && options.refreshTokens?.givenBy.includes(way)
      return issueToken(user, scopes, gives ? issueRefreshToken(user) : undefined)
    }
    const answer = decide()
    requests.push({method, grant, user, scopes, status: answer.status, fields: [...new Set(form.keys())]})
    return answer
  }

  const listener = createServer((request, response) => {
    answerTo(request).then(
      ({status, headers, body}) => {
        response.writeHead(status, {'content-type': 'application/json', ...headers}).end(JSON.stringify(body))
      },
      (error: unknown) => {
        response.writeHead(400).end(String(error))
      },
    )
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const realm = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/token`
  const server: TokenServer = {
    realm,
    service,
    issuer,
    registryOptions: {realm, service, issuer, rootCertBundle: certificate.certificateFile},
    requests,
    tokens,
    refreshTokens: () => [...refreshTokens.keys()],
    issueRefreshToken,
    revokeRefreshTokens: () => refreshTokens.clear(),
    lock: (user) => locked.add(user),
    fault: undefined,
    stop: () =>
      new Promise((resolve) => {
        listener.close(() => resolve())
        listener.closeAllConnections()
      }),
  }
  return server
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
