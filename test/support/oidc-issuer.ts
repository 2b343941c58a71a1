/** An OpenID Connect issuer on loopback: discovery, keys, and tokens with whatever claims; its keys can change. */
import {generateKeyPairSync, type KeyObject, randomUUID, sign} from 'node:crypto'
import {createServer} from 'node:http'
import type {AddressInfo} from 'node:net'

export interface OidcIssuer {
  /** `http://127.0.0.1:port` */
  readonly url: string
  /** Requests for its keys so far. */
  readonly keyRequests: () => number
  /** A token of its newest key; `claims` replace what it would have. */
  issue(claims: Readonly<Record<string, unknown>>, options?: {readonly alg?: 'RS256' | 'ES256'}): string
  /** Signs with new keys from now on, and publishes only those. */
  rotate(): void
  /** Its public RSA key, as PEM. */
  publicKey(): string
  /** What discovery says the issuer is. */
  claimedIssuer: string | undefined
  stop(): Promise<void>
}

interface Keys {
  readonly id: string
  readonly rsa: {readonly publicKey: KeyObject; readonly privateKey: KeyObject}
  readonly ec: {readonly publicKey: KeyObject; readonly privateKey: KeyObject}
}

const makeKeys = (): Keys => ({
  id: randomUUID(),
  rsa: generateKeyPairSync('rsa', {modulusLength: 2048}),
  ec: generateKeyPairSync('ec', {namedCurve: 'P-256'}),
})

export async function startOidcIssuer(): Promise<OidcIssuer> {
  let keys = makeKeys()
  let keyRequests = 0
  const server = createServer((request, response) => {
    const send = (body: object): void => void response.writeHead(200, {'content-type': 'application/json'}).end(JSON.stringify(body))
    if (request.url === '/.well-known/openid-configuration')
      send({issuer: issuer.claimedIssuer ?? issuer.url, jwks_uri: `${issuer.url}/keys`})
    else if (request.url === '/keys') {
      keyRequests++
      send({
        keys: [
          {...keys.rsa.publicKey.export({format: 'jwk'}), kid: `${keys.id}-RS256`, alg: 'RS256', use: 'sig'},
          {...keys.ec.publicKey.export({format: 'jwk'}), kid: `${keys.id}-ES256`, alg: 'ES256', use: 'sig'},
        ],
      })
    } else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer: OidcIssuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keyRequests: () => keyRequests,
    issue(claims, {alg = 'RS256'} = {}) {
      const now = Math.floor(Date.now() / 1000)
      const header = {typ: 'JWT', alg, kid: `${keys.id}-${alg}`}
      const body = {iss: issuer.url, iat: now, exp: now + 300, ...claims}
      const input = [header, body].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
      const signature =
        alg === 'RS256'
          ? sign('sha256', Buffer.from(input), keys.rsa.privateKey)
          : sign('sha256', Buffer.from(input), {key: keys.ec.privateKey, dsaEncoding: 'ieee-p1363'})
      return `${input}.${signature.toString('base64url')}`
    },
    rotate() {
      keys = makeKeys()
    },
    publicKey: () => keys.rsa.publicKey.export({type: 'spki', format: 'pem'}).toString(),
    claimedIssuer: undefined,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return issuer
}
