/**
 * What a thread of the hash pool does. Its text is the thread's program, so it uses nothing from outside its own body, and names no function inside it: bundlers
 * that keep names would wrap such a function in a call of theirs.
 */
import type {Argon2Parameters} from 'node:crypto'

/** One hash to derive. */
export interface HashJob extends Argon2Parameters {
  readonly message: string
  readonly nonce: Buffer
}

/** Answers a job: the hash, or what went wrong. */
export interface HashAnswer {
  readonly hash?: Uint8Array
  readonly message?: string
}

/** Derives argon2id hashes, one after the other, on this thread itself: not on those that Node reads files with. Runs in a worker thread only. */
export function deriveHashes(): void {
  const crypto = process.getBuiltinModule('node:crypto')
  const {parentPort} = process.getBuiltinModule('node:worker_threads')
  parentPort?.on('message', (job: HashJob) => {
    try {
      parentPort.postMessage({hash: crypto.argon2Sync('argon2id', job)})
    } catch (error) {
      parentPort.postMessage({message: error instanceof Error ? error.message : String(error)})
    }
  })
}
