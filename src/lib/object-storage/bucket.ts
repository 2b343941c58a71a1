/** Seeing to it that a bucket is there (Amazon S3 API 2006-03-01: HeadBucket, CreateBucket; Signature Version 4), at Amazon or at whoever speaks the same. */
import {HoldfastError} from '../core/errors.ts'
import {shorten} from '../core/redaction.ts'
import type {Secret} from '../core/secret.ts'
import type {HttpClient, HttpRequest, HttpResponse} from '../http/client.ts'

const MAX_ANSWER_BYTES = 64 * 1024
/** The one region that is not named in a request to create a bucket. */
const FIRST_REGION = 'us-east-1'
/** A bucket's name (Amazon S3 user guide, bucket naming rules). */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/

export interface S3Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
  readonly sessionToken?: Secret | undefined
}

export interface Bucket {
  /** `https://s3.eu-central-1.amazonaws.com`, `http://127.0.0.1:9000`: the bucket is the first part of the path there. */
  readonly endpoint: URL
  readonly region: string
  readonly name: string
}

/** Amazon's endpoint of a region. */
export function amazonEndpoint(region: string): URL {
  return new URL(`https://s3.${region}.amazonaws.com`)
}

/** @throws {HoldfastError} USAGE for what no bucket can be called. */
export function assertBucketName(name: string): void {
  if (BUCKET.test(name)) return
  throw new HoldfastError(
    'USAGE',
    `cannot use "${shorten(name, 100)}" as a bucket: it has 3 to 63 lower-case letters, digits, dots and hyphens`,
  )
}

/**
 * Makes the bucket unless we have it; done again it changes nothing.
 * @throws {HoldfastError} CONFLICT when it is somebody else's; DENIED for keys that are wrong or may not; CONFIGURATION for a bucket of another region; NETWORK, TIMEOUT, TLS.
 */
export async function ensureBucket(bucket: Bucket, keys: S3Keys, http: HttpClient, signal: AbortSignal): Promise<'created' | 'there'> {
  const head = await send(bucket, keys, http, 'HEAD', undefined, signal)
  if (head.status === 200) return 'there'
  const elsewhere = head.headers['x-amz-bucket-region']
  if (head.status === 301 || (elsewhere !== undefined && elsewhere !== bucket.region)) {
    const hints = elsewhere === undefined ? [] : [`--region ${shorten(elsewhere, 100)}`]
    throw refused(
      bucket,
      'CONFIGURATION',
      `it is in ${elsewhere === undefined ? 'another region' : `the region ${shorten(elsewhere, 100)}`}`,
      hints,
    )
  }
  if (head.status !== 404) throw refusal(bucket, head)
  const place =
    bucket.region === FIRST_REGION
      ? undefined
      : `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>${bucket.region}</LocationConstraint></CreateBucketConfiguration>`
  const put = await send(bucket, keys, http, 'PUT', place, signal)
  if (put.status === 200) return 'created'
  // Somebody of ours was quicker.
  if (put.status === 409 && codeOf(put) === 'BucketAlreadyOwnedByYou') return 'there'
  throw refusal(bucket, put)
}

async function send(
  {endpoint, region, name}: Bucket,
  {accessKeyId, secretAccessKey, sessionToken}: S3Keys,
  http: HttpClient,
  method: 'HEAD' | 'PUT',
  body: string | undefined,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const {AwsV4Signer} = await import('aws4fetch')
  const signer = new AwsV4Signer({
    method,
    url: new URL(`/${name}`, endpoint).href,
    ...(body === undefined ? {} : {body}),
    accessKeyId,
    secretAccessKey: secretAccessKey.reveal(),
    ...(sessionToken === undefined ? {} : {sessionToken: sessionToken.reveal()}),
    service: 's3',
    region,
  })
  const {url, headers} = await signer.sign()
  const request: HttpRequest = {method, url, headers: Object.fromEntries(headers), maxBodyBytes: MAX_ANSWER_BYTES, signal}
  return await http.request(body === undefined ? request : {...request, body: Buffer.from(body)})
}

function codeOf(answer: HttpResponse): string | undefined {
  return /<Code>([A-Za-z0-9]{1,100})<\/Code>/.exec(answer.body.toString('utf8'))?.[1]
}

function refusal(bucket: Bucket, answer: HttpResponse): HoldfastError {
  const code = codeOf(answer)
  if (code === 'BucketAlreadyExists')
    return refused(bucket, 'CONFLICT', 'somebody else has a bucket of that name', ['--bucket ANOTHER-NAME'])
  if (answer.status === 403 || answer.status === 401) {
    const reason = code === 'AccessDenied' || code === undefined ? 'these keys may not use it' : `these keys are refused (${code})`
    return refused(bucket, 'DENIED', reason, ['set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'])
  }
  return refused(
    bucket,
    'REGISTRY_UNAVAILABLE',
    `${bucket.endpoint.host} answered ${answer.status}${code === undefined ? '' : ` ${code}`}`,
    [],
  )
}

function refused(
  bucket: Bucket,
  code: 'CONFLICT' | 'DENIED' | 'CONFIGURATION' | 'REGISTRY_UNAVAILABLE',
  reason: string,
  hints: readonly string[],
): HoldfastError {
  return new HoldfastError(code, `cannot use the bucket "${bucket.name}": ${reason}`, {
    hints,
    details: {bucket: bucket.name, endpoint: bucket.endpoint.origin},
  })
}
