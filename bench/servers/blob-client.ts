/** Pulls and pushes blobs with curl: a client in C that costs next to nothing, so that the server shows. */
import type {StoredBlob} from '../corpus/layer.ts'
import type {Command} from '../measure.ts'

const PARALLEL_TRANSFERS = 3
const CURL = ['curl', '-q', '-g', '-sS', '--fail', '--fail-early', '--http1.1', '--parallel']
const USUAL = ['--parallel-max', String(PARALLEL_TRANSFERS)]

/** Downloads blobs and throws them away, so many at a time. */
export function pullBlobs(
  repositoryUrl: string,
  blobs: readonly StoredBlob[],
  environment: Command['environment'],
  parallel: number = PARALLEL_TRANSFERS,
): Command {
  return {
    argv: [
      ...CURL,
      ...(parallel > PARALLEL_TRANSFERS ? ['--parallel-immediate'] : []),
      '--parallel-max',
      String(parallel),
      ...blobs.flatMap(({digest}) => ['-o', '/dev/null', `${repositoryUrl}/blobs/${digest}`]),
    ],
    environment,
  }
}

/** Starts an upload session for each blob, and answers the command that uploads them whole (distribution-spec 1.1 §POST then PUT). */
export async function preparePush(
  repositoryUrl: string,
  blobs: readonly StoredBlob[],
  fileOf: (digest: string) => string,
  environment: Command['environment'],
): Promise<Command> {
  const uploads: string[] = [...USUAL]
  for (const {digest} of blobs) uploads.push('-T', fileOf(digest), await startUpload(repositoryUrl, digest))
  return {argv: [...CURL, '-H', 'Expect:', '-H', 'Content-Type: application/octet-stream', ...uploads], environment}
}

/** @throws {Error} when the server lacks one of the blobs. */
export async function checkBlobs(repositoryUrl: string, blobs: readonly StoredBlob[]): Promise<void> {
  for (const {digest, sizeBytes} of blobs) {
    const answer = await fetch(`${repositoryUrl}/blobs/${digest}`, {method: 'HEAD'})
    if (!answer.ok || answer.headers.get('content-length') !== String(sizeBytes)) {
      throw new Error(`cannot count the run: the server answers ${answer.status} for ${digest}`)
    }
  }
}

async function startUpload(repositoryUrl: string, digest: string): Promise<string> {
  const answer = await fetch(`${repositoryUrl}/blobs/uploads/`, {method: 'POST'})
  const location = answer.headers.get('location')
  if (answer.status !== 202 || location === null) throw new Error(`cannot start an upload at ${repositoryUrl}: it answers ${answer.status}`)
  const url = new URL(location, repositoryUrl).href
  return `${url}${url.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`
}
