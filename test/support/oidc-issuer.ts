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
  issue(claims: Readonly<Record<string, unknown>>, options?: {readonly alg?: SigningAlgorithm; readonly kid?: string | null}): string
  /** Signs with new keys from now on, and publishes only those. */
  rotate(): void
  /** Its public RSA key, as PEM. */
  publicKey(): string
  /** What discovery says the issuer is. */
  claimedIssuer: string | undefined
  /** Replaces the list of its keys. */
  keyList: ((keys: readonly object[]) => readonly unknown[]) | undefined
  /** Replaces a response: what is sent for every request. */
  broken: {readonly status: number; readonly body: string} | undefined
  /** Requests so far. */
  readonly requests: () => number
  stop(): Promise<void>
}

type SigningAlgorithm = 'RS256' | 'RS512' | 'ES256' | 'ES384'

interface Keys {
  readonly id: string
  readonly rsa: {readonly publicKey: KeyObject; readonly privateKey: KeyObject}
  readonly ec: {readonly publicKey: KeyObject; readonly privateKey: KeyObject}
  readonly ec384: {readonly publicKey: KeyObject; readonly privateKey: KeyObject}
}

const makeKeys = (): Keys => ({
  id: randomUUID(),
  rsa: generateKeyPairSync('rsa', {modulusLength: 2048}),
  ec: generateKeyPairSync('ec', {namedCurve: 'P-256'}),
  ec384: generateKeyPairSync('ec', {namedCurve: 'P-384'}),
})

export async function startOidcIssuer(): Promise<OidcIssuer> {
  let keys = makeKeys()
  let keyRequests = 0
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    if (issuer.broken !== undefined) {
      response.writeHead(issuer.broken.status, {'content-type': 'application/json'}).end(issuer.broken.body)
      return
    }
    const send = (body: object): void => void response.writeHead(200, {'content-type': 'application/json'}).end(JSON.stringify(body))
    if (request.url === '/.well-known/openid-configuration')
      send({issuer: issuer.claimedIssuer ?? issuer.url, jwks_uri: `${issuer.url}/keys`})
    else if (request.url === '/keys') {
      keyRequests++
      const list = [
        {...keys.rsa.publicKey.export({format: 'jwk'}), kid: `${keys.id}-RS256`, use: 'sig'},
        {...keys.ec.publicKey.export({format: 'jwk'}), kid: `${keys.id}-ES256`, alg: 'ES256', use: 'sig'},
        {...keys.ec384.publicKey.export({format: 'jwk'}), kid: `${keys.id}-ES384`, alg: 'ES384', use: 'sig'},
      ]
      send({keys: issuer.keyList?.(list) ?? list})
    } else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer: OidcIssuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keyRequests: () => keyRequests,
    issue(claims, {alg = 'RS256', kid = `${keys.id}-${alg === 'RS512' ? 'RS256' : alg}`} = {}) {
      const now = Math.floor(Date.now() / 1000)
      const header = {typ: 'JWT', alg, ...(kid === null ? {} : {kid})}
      const body = {iss: issuer.url, iat: now, exp: now + 300, ...claims}
      const input = [header, body].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
      const key = {RS256: keys.rsa, RS512: keys.rsa, ES256: keys.ec, ES384: keys.ec384}[alg].privateKey
      const signature = sign(`sha${alg.slice(2)}`, Buffer.from(input), {key, dsaEncoding: 'ieee-p1363'})
      return `${input}.${signature.toString('base64url')}`
    },
    rotate() {
      keys = makeKeys()
    },
    publicKey: () => keys.rsa.publicKey.export({type: 'spki', format: 'pem'}).toString(),
    claimedIssuer: undefined,
    keyList: undefined,
    broken: undefined,
    requests: () => requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return issuer
}
