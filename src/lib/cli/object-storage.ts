/** The object store that flags and environment name. */
import {HoldfastError} from '../core/errors.ts'
import {Secret} from '../core/secret.ts'
import type {S3Storage} from '../rendering/registry-config.ts'
import type {Context} from './context.ts'
import {isOrigin} from './origin.ts'

export interface ObjectStorageFlags {
  readonly bucket?: string | undefined
  readonly region: string
  readonly 's3-endpoint'?: string | undefined
  readonly 'bucket-directory': string
  readonly redirect?: boolean | undefined
}

export interface ObjectStorage {
  readonly storage: S3Storage
  /** Makes the bucket unless it is there. @throws {HoldfastError} CREDENTIAL_NOT_FOUND without keys; what ensuring it throws. */
  ensureBucket(): Promise<'created' | 'there'>
}

/** @throws {HoldfastError} USAGE for a bucket or an endpoint that is none. */
export async function openObjectStorage(context: Context, flags: ObjectStorageFlags): Promise<ObjectStorage> {
  const {bucket, region, 's3-endpoint': given} = flags
  if (bucket === undefined)
    throw new HoldfastError('USAGE', 'cannot keep images in S3: no bucket is named', {hints: ['--bucket acme-images']})
  const {amazonEndpoint, assertBucketName, ensureBucket} = await import('../object-storage/bucket.ts')
  assertBucketName(bucket)
  if (!/^[a-z0-9-]{1,63}$/.test(region)) throw new HoldfastError('USAGE', `cannot use "${region.slice(0, 100)}" as a region`)
  const url = given?.replace(/\/$/, '')
  if (url !== undefined && !isOrigin(url)) {
    throw new HoldfastError('USAGE', `cannot use "${url.replace(/\/\/.*@/, '//').slice(0, 200)}" as the endpoint of an object store`, {
      hints: ['--s3-endpoint https://objects.example.com'],
    })
  }
  const {AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN: sessionToken} = context.environment
  // Keys of a session end soon: they make the bucket, and are written nowhere.
  const keys = accessKeyId && secretAccessKey && !sessionToken ? {accessKeyId, secretAccessKey} : undefined
  return {
    storage: {
      bucket,
      region,
      endpoint: url,
      rootDirectory: flags['bucket-directory'],
      keys,
      redirect: flags.redirect === true,
    },
    async ensureBucket() {
      if (!accessKeyId || !secretAccessKey) {
        throw new HoldfastError('CREDENTIAL_NOT_FOUND', `cannot make the bucket "${bucket}": no keys are given`, {
          hints: ['set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
        })
      }
      const endpoint = url === undefined ? amazonEndpoint(region) : new URL(url)
      const [open, {undeclaredEndpoint}, {parseRegistryHost}] = await Promise.all([
        context.httpClients(),
        import('../registries/endpoint.ts'),
        import('../oci/reference.ts'),
      ])
      const client = open(await undeclaredEndpoint(parseRegistryHost(endpoint.host), {plainHttp: endpoint.protocol === 'http:'}))
      return await ensureBucket(
        {endpoint, region, name: bucket},
        {accessKeyId, secretAccessKey: new Secret(secretAccessKey), sessionToken: sessionToken ? new Secret(sessionToken) : undefined},
        client,
        context.signal,
      )
    },
  }
}
