/**
 * What the hash thread does. Its text is the thread's program, so it uses nothing from outside its own body, and names no function inside it: bundlers that keep
 * names would wrap such a function in a call of theirs.
 */

export type HashRequest =
  | {readonly type: 'open'; readonly id: number; readonly path: string; readonly algorithm: string}
  | {readonly type: 'advance'; readonly id: number; readonly upTo: number}
  | {readonly type: 'finish'; readonly id: number}
  | {readonly type: 'close'; readonly id: number}

/** Answers a `finish`: `hex`, or what went wrong. */
export interface HashReply {
  readonly id: number
  readonly hex?: string
  readonly message?: string
  readonly errno?: string
}

/** Hashes files behind their writers, as told by messages; one read of at most `readBytes` at a time. Runs in a worker thread only. */
export function hashBehindWriters(readBytes: number): void {
  const fs = process.getBuiltinModule('node:fs')
  const crypto = process.getBuiltinModule('node:crypto')
  const {parentPort} = process.getBuiltinModule('node:worker_threads')
  const buffer = Buffer.allocUnsafeSlow(readBytes)
  const files = new Map<number, {fd: number; position: number; hash: ReturnType<typeof crypto.createHash>; error?: NodeJS.ErrnoException}>()

  parentPort?.on('message', (request: HashRequest) => {
    if (request.type === 'open') {
      const hash = crypto.createHash(request.algorithm)
      try {
        files.set(request.id, {fd: fs.openSync(request.path, 'r'), position: 0, hash})
      } catch (error) {
        files.set(request.id, {fd: -1, position: 0, hash, error: error as NodeJS.ErrnoException})
      }
      return
    }
    const file = files.get(request.id)
    if (file === undefined) {
      // Only after a thread before this one died.
      if (request.type === 'finish') parentPort.postMessage({id: request.id, message: 'the running hash was lost'})
      return
    }
    if (request.type !== 'advance') {
      if (request.type === 'finish') {
        parentPort.postMessage(
          file.error === undefined
            ? {id: request.id, hex: file.hash.digest('hex')}
            : {id: request.id, message: file.error.message, errno: file.error.code},
        )
      }
      files.delete(request.id)
      if (file.fd >= 0) fs.closeSync(file.fd)
      return
    }
    try {
      while (file.error === undefined && file.position < request.upTo) {
        const read = fs.readSync(file.fd, buffer, 0, Math.min(readBytes, request.upTo - file.position), file.position)
        if (read === 0) throw new Error(`the file ends at byte ${file.position} of ${request.upTo}`)
        file.hash.update(buffer.subarray(0, read))
        file.position += read
      }
    } catch (error) {
      file.error = error as NodeJS.ErrnoException
    }
  })
}
