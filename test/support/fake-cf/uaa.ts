/** The UAA of the fake foundation: password, passcode, client credentials and refresh tokens; access tokens are JWTs that end. */
import {randomUUID} from 'node:crypto'

type Role = 'admin' | 'developer' | 'auditor'

export interface FakeUser {
  readonly name: string
  readonly password: string
  readonly role: Role
  /** Another identity provider than the UAA's own. */
  readonly origin?: string
}

export interface FakeClient {
  readonly id: string
  readonly secret: string
  readonly role: Role
}

export interface UaaOptions {
  readonly accessTokenSeconds: number
  /** A refresh token is good once, and comes back as another one. */
  readonly rotate: boolean
}

interface UaaAnswer {
  readonly status: number
  readonly body: object
}

interface Principal {
  readonly name: string
  readonly role: Role
}

const LOCKED_AFTER_FAILURES = 5

export class FakeUaa {
  readonly users = new Map<string, FakeUser>()
  readonly clients = new Map<string, FakeClient>()
  /** One-time passcodes of users. */
  readonly passcodes = new Map<string, string>()
  readonly #options: UaaOptions
  readonly #access = new Map<string, Principal>()
  readonly #refresh = new Map<string, string>()
  readonly #failures = new Map<string, number>()

  constructor(options: UaaOptions) {
    this.#options = options
  }

  /** Whose token it is; undefined for one that has ended, or was never given. */
  principalOf(token: string): Principal | undefined {
    const principal = this.#access.get(token)
    if (principal === undefined) return undefined
    const {exp} = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {exp: number}
    return exp * 1000 > Date.now() ? principal : undefined
  }

  /** Makes every access token useless at once; refresh tokens stay good. */
  expireTokens(): void {
    this.#access.clear()
  }

  /** Ends every session. */
  revokeAll(): void {
    this.#access.clear()
    this.#refresh.clear()
  }

  answer(form: URLSearchParams, authorization: string | undefined, loginHint: string | null): UaaAnswer {
    const grant = form.get('grant_type')
    if (grant === 'client_credentials') return this.#byClient(form)
    // People come with the client of cf, whose secret is empty.
    if (authorization !== `Basic ${Buffer.from('cf:').toString('base64')}`) return unauthorized('invalid_client', 'Bad client credentials')
    if (grant === 'refresh_token') return this.#byRefreshToken(form.get('refresh_token') ?? '')
    if (grant !== 'password') return {status: 400, body: {error: 'unsupported_grant_type', error_description: 'Unsupported grant type'}}
    const passcode = form.get('passcode')
    if (passcode !== null) {
      const name = this.passcodes.get(passcode)
      const user = name === undefined ? undefined : this.users.get(name)
      this.passcodes.delete(passcode)
      return user === undefined ? unauthorized('invalid_client', 'Invalid passcode') : this.#give(user)
    }
    return this.#byPassword(form.get('username') ?? '', form.get('password') ?? '', loginHint)
  }

  #byPassword(name: string, password: string, loginHint: string | null): UaaAnswer {
    const user = this.users.get(name)
    const origin = loginHint === null ? undefined : (JSON.parse(loginHint) as {origin?: string}).origin
    const failures = this.#failures.get(name) ?? 0
    if (failures >= LOCKED_AFTER_FAILURES)
      return unauthorized('unauthorized', 'Your account has been locked because of too many failed attempts to login.')
    if (user === undefined || user.password !== password || (user.origin ?? 'uaa') !== (origin ?? 'uaa')) {
      this.#failures.set(name, failures + 1)
      return unauthorized('invalid_client', 'Bad credentials')
    }
    this.#failures.delete(name)
    return this.#give(user)
  }

  #byClient(form: URLSearchParams): UaaAnswer {
    const client = this.clients.get(form.get('client_id') ?? '')
    if (client === undefined || client.secret !== form.get('client_secret')) return unauthorized('invalid_client', 'Bad client credentials')
    const {accessTokenSeconds} = this.#options
    const token = this.#issue({name: client.id, role: client.role}, {client_id: client.id})
    return {
      status: 200,
      body: {access_token: token, token_type: 'bearer', expires_in: accessTokenSeconds, scope: 'cloud_controller.read', jti: randomUUID()},
    }
  }

  #byRefreshToken(refreshToken: string): UaaAnswer {
    const user = this.users.get(this.#refresh.get(refreshToken) ?? '')
    if (user === undefined) return unauthorized('invalid_token', 'The token expired, was revoked, or the token ID is incorrect')
    if (!this.#options.rotate) return this.#give(user, refreshToken)
    this.#refresh.delete(refreshToken)
    return this.#give(user)
  }

  #give(user: FakeUser, refreshToken: string = `${randomUUID()}-r`): UaaAnswer {
    const {accessTokenSeconds} = this.#options
    const token = this.#issue(user, {user_name: user.name, user_id: user.name, origin: user.origin ?? 'uaa', client_id: 'cf'})
    this.#refresh.set(refreshToken, user.name)
    return {
      status: 200,
      body: {
        access_token: token,
        token_type: 'bearer',
        refresh_token: refreshToken,
        expires_in: accessTokenSeconds,
        scope: 'cloud_controller.read cloud_controller.write openid',
        jti: randomUUID(),
      },
    }
  }

  #issue({name, role}: Principal, claims: object): string {
    const exp = Math.floor(Date.now() / 1000) + this.#options.accessTokenSeconds
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const token = `${part({alg: 'RS256', typ: 'JWT'})}.${part({...claims, jti: randomUUID(), exp})}.${part({signature: randomUUID()})}`
    this.#access.set(token, {name, role})
    return token
  }
}

function unauthorized(error: string, description: string): UaaAnswer {
  return {status: 401, body: {error, error_description: description}}
}
