/** Bodies of requests: pushed into a store's sink, or collected up to a cap. */
import type {IncomingMessage} from 'node:http'
import type {BlobSource} from '../content/store.ts'
import {ByteCollector} from '../core/byte-collector.ts'
import {HoldfastError, interrupted} from '../core/errors.ts'
import type {RateWatch, SlowTransferError, WatchedTransfer} from '../core/rate-watch.ts'
import type {Exchange} from './exchange.ts'
import {SpecError} from './spec-error.ts'

/** The declared length in bytes; undefined for a chunked body. */
export function contentLength({request}: Exchange): number | undefined {
  const header = request.headers['content-length']
  if (header !== undefined) return Number(header)
  return request.headers['transfer-encoding'] === undefined ? 0 : undefined
}

/**
 * The body as a source that can be read once. Node gives every chunk a buffer of its own, so nothing is copied and `release` only steers the flow.
 * @param expectedBytes when given, the body must have exactly that length; the source fails with 400 SIZE_INVALID otherwise.
 */
export function createBodySource(exchange: Exchange, expectedBytes?: number): BlobSource {
  const {request, traffic} = exchange
  const closeConnection = exchange.body.tooSlow
  return (sink, _start, signal = exchange.signal) =>
    new Promise((resolve, reject) => {
      let held = 0
      let received = 0
      let outcome: {readonly error?: unknown} | undefined
      const settle = (): void => {
        if (outcome === undefined || held > 0) return
        if (outcome.error === undefined) resolve()
        else reject(outcome.error)
      }
      const finish = (error?: unknown): void => {
        if (outcome !== undefined) return
        outcome = error === undefined ? {} : {error}
        request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
        signal.removeEventListener('abort', onAbort)
        exchange.body.tooSlow = closeConnection
        settle()
      }
      const onData = (chunk: Buffer): void => {
        received += chunk.length
        traffic.received += chunk.length
        if (expectedBytes !== undefined && received > expectedBytes) {
          finish(wrongLength(expectedBytes))
          return
        }
        held += 1
        const goOn = sink.write(chunk, () => {
          held -= 1
          if (held === 0 && outcome === undefined) request.resume()
          settle()
        })
        if (!goOn && held > 0) request.pause()
      }
      const onEnd = (): void => finish(expectedBytes !== undefined && received < expectedBytes ? wrongLength(expectedBytes) : undefined)
      const onClose = (): void => finish(new HoldfastError('NETWORK', 'cannot read the request body: the client closed the connection'))
      const onAbort = (): void => finish(interrupted())
      if (request.readableEnded) {
        finish()
        return
      }
      if (signal.aborted || request.destroyed) {
        finish(interrupted())
        return
      }
      signal.addEventListener('abort', onAbort)
      exchange.body.tooSlow = ({message}) => finish(tooSlow(message))
      request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
      request.resume()
    })
}

/**
 * Collects a small body.
 * @throws {SpecError} 413 SIZE_INVALID beyond `maxBytes`.
 * @throws {HoldfastError} TIMEOUT when it is not complete after `timeoutMs`; the connection is closed then.
 */
export async function collectBody(exchange: Exchange, maxBytes: number, timeoutMs: number): Promise<Buffer> {
  const tooLarge = (): SpecError => new SpecError(413, 'SIZE_INVALID', `the body has more than ${maxBytes} bytes`, {detail: {maxBytes}})
  if ((contentLength(exchange) ?? 0) > maxBytes) throw tooLarge()
  const collected = new ByteCollector(maxBytes)
  const {request, traffic} = exchange
  const timer = setTimeout(
    () => request.destroy(new HoldfastError('TIMEOUT', 'cannot read the request body: it did not come in time')),
    timeoutMs,
  )
  try {
    for await (const chunk of request.iterator({destroyOnReturn: false})) {
      const bytes: Buffer = chunk
      traffic.received += bytes.length
      if (!collected.add(bytes)) throw tooLarge()
    }
  } finally {
    clearTimeout(timer)
  }
  return collected.bytes
}

/**
 * Watches how fast the client sends the body of a request, while it is read or thrown away.
 * @param tooSlow called once when it did not keep the minimum rate.
 */
export function watchBody(request: IncomingMessage, rates: RateWatch, tooSlow: (error: SlowTransferError) => void): void {
  const {headers, socket} = request
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return
  const transfer: WatchedTransfer = {
    get movedBytes() {
      return socket.bytesRead
    },
    // What is not read, since the disk is busy for example, holds the client up.
    get isPeerMoving() {
      return !request.complete && request.readableFlowing === true
    },
    tooSlow,
  }
  rates.add(transfer)
  const end = (): void => {
    rates.delete(transfer)
    socket.off('close', end)
  }
  request.once('close', end)
  socket.once('close', end)
}

/** The client is told, and the connection is closed, since the rest of the body would be taken for the next request. */
function tooSlow(reason: string): SpecError {
  return new SpecError(408, 'BLOB_UPLOAD_INVALID', `the body comes too slowly: ${reason}`, {headers: {Connection: 'close'}})
}

function wrongLength(expectedBytes: number): SpecError {
  return new SpecError(400, 'SIZE_INVALID', `the body does not have the ${expectedBytes} bytes that Content-Range says`)
}
