/**
 * The registry of Amazon: keys of an account become a user name and a password of its registry, for twelve hours (ECR API, `GetAuthorizationToken`), as the helper of Diego's builder
 * asks for them. It is here because requests are signed as those to buckets are.
 */
import {HoldfastError} from '../core/errors.ts'
import {rememberSecrets} from '../core/known-secrets.ts'
import {excerpt} from '../core/redaction.ts'
import {Secret} from '../core/secret.ts'
import type {JsonRequest} from '../http/json-client.ts'

/** `account.dkr.ecr.region.amazonaws.com`, with `ecr-fips` and `.cn` as well. */
const ECR_HOST =
  /^(?<account>[a-z0-9][a-z0-9_-]*)\.dkr\.(?<service>ecr(?:-fips)?)\.(?<region>[a-z0-9][a-z0-9_-]*)\.(?<domain>amazonaws\.com(?:\.cn)?)$/i
const TARGET = 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken'

export interface EcrKeys {
  readonly accessKey: string
  readonly secretKey: Secret
}

export interface EcrNetwork extends Pick<JsonRequest, 'onExchange' | 'signal'> {
  readonly proxyFor?: ((url: URL) => URL | undefined) | undefined
  /** Where the API is, instead of where the registry's name says: an endpoint of a private network. */
  readonly endpoint?: URL | undefined
}

/** Whether a host is such a registry. */
export function isEcrHost(host: string): boolean {
  return ECR_HOST.test(host)
}

/**
 * Asks for what the registry takes.
 * @param host for which `isEcrHost` holds.
 * @throws {HoldfastError} UNAUTHENTICATED for keys that are refused; REGISTRY_UNAVAILABLE; NETWORK, TIMEOUT, TLS.
 */
export async function requestEcrPassword(
  host: string,
  {accessKey, secretKey}: EcrKeys,
  {endpoint, proxyFor, onExchange, signal}: EcrNetwork,
): Promise<{readonly username: string; readonly password: Secret}> {
  rememberSecrets(secretKey.reveal())
  const {account = '', service = 'ecr', region = '', domain = ''} = ECR_HOST.exec(host)?.groups ?? {}
  const url = endpoint ?? new URL(`https://${service === 'ecr' ? 'api.ecr' : service}.${region}.${domain}/`)
  const [{AwsV4Signer}, {requestJson}] = await Promise.all([import('aws4fetch'), import('../http/json-client.ts')])
  const body = JSON.stringify({registryIds: [account]})
  const type = 'application/x-amz-json-1.1'
  const signed = await new AwsV4Signer({
    method: 'POST',
    url: url.href,
    headers: {'x-amz-target': TARGET},
    body,
    accessKeyId: accessKey,
    secretAccessKey: secretKey.reveal(),
    service: 'ecr',
    region,
  }).sign()
  const {status, json} = await requestJson({
    method: 'POST',
    url,
    headers: Object.fromEntries([...signed.headers].filter(([name]) => name !== 'host' && name !== 'content-type')),
    body: {type, bytes: Buffer.from(body)},
    proxy: proxyFor?.(url),
    onExchange,
    signal,
  })
  if (status !== 200) {
    const fields = ['__type', 'message', 'Message'].map((name): unknown => Reflect.get(Object(json), name))
    const said = excerpt(fields.filter((field) => typeof field === 'string').join(': '))
    const isRefusal = status === 400 || status === 401 || status === 403
    const quoted = `${status}${said === '' ? '' : ` ${said}`}`
    throw new HoldfastError(
      isRefusal ? 'UNAUTHENTICATED' : 'REGISTRY_UNAVAILABLE',
      `cannot log in at "${url.host}": it ${isRefusal ? 'refuses the keys' : 'fails'} (${quoted})`,
    )
  }
  const [data]: unknown[] = [Reflect.get(Object(json), 'authorizationData')].flat()
  const token: unknown = Reflect.get(Object(data), 'authorizationToken')
  const pair = typeof token === 'string' ? Buffer.from(token, 'base64').toString('utf8') : ''
  const colon = pair.indexOf(':')
  if (typeof token !== 'string' || colon < 1) {
    throw new HoldfastError('REGISTRY_UNAVAILABLE', `cannot log in at "${url.host}": its answer has no authorization token`)
  }
  const password = pair.slice(colon + 1)
  rememberSecrets(token, password)
  return {username: pair.slice(0, colon), password: new Secret(password)}
}
