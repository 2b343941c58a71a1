/** A registry in front of another one that keeps back the bytes of chosen blobs until told. */
import {type HeldRequests, startHeldRequests} from './held-requests.ts'

export type HeldBlobs = HeldRequests

export async function startHeldBlobs(registryUrl: string, digests: readonly string[]): Promise<HeldBlobs> {
  return await startHeldRequests(
    registryUrl,
    ({method, url}) => method === 'GET' && digests.some((digest) => url?.endsWith(`/blobs/${digest}`)),
  )
}
