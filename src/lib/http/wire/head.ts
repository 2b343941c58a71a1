/** The heads of HTTP/1.1 messages: writing a request's, parsing an answer's strictly (RFC 9112 §3–§6). */
import {HoldfastError} from '../../core/errors.ts'
import type {HttpHeaders} from '../client.ts'

/** How the end of a body is found (RFC 9112 §6.3). */
type BodyFraming = {readonly kind: 'length'; readonly sizeBytes: number} | {readonly kind: 'chunked'} | {readonly kind: 'until-close'}

export interface AnswerHead {
  readonly status: number
  readonly headers: HttpHeaders
  readonly framing: BodyFraming
  /** The server lets the connection be used again. */
  readonly keepAlive: boolean
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?$/
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Control characters other than a tab. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const FORBIDDEN_IN_VALUE = /[\0-\x08\x0a-\x1f\x7f]/
/** What a request may carry in a value: also nothing beyond latin1, which would be cut to one byte on the wire. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: refusing them is the point
const FORBIDDEN_IN_REQUEST_VALUE = /[\0-\x08\x0a-\x1f\x7f]|[^\0-\xff]/
/** Set by the client alone, since they decide where a message ends and to whom it goes. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding', 'connection', 'proxy-authorization'])

/** An answer that is not HTTP/1.1 as RFC 9112 has it; the message is the reason only. */
export class MalformedAnswerError extends Error {
  override readonly name = 'MalformedAnswerError'
}

export interface RequestHead {
  readonly method: string
  /** Origin-form, or absolute-form towards a proxy. */
  readonly target: string
  readonly host: string
  readonly headers: HttpHeaders
  /** Undefined for a request without a body. */
  readonly sizeBytes: number | undefined
  readonly proxyAuthorization: string | undefined
}

/** @throws {HoldfastError} INTERNAL when a header could change the framing. */
export function formatRequestHead(head: RequestHead): string {
  let text = `${head.method} ${head.target} HTTP/1.1\r\nHost: ${head.host}\r\n`
  for (const [name, value] of Object.entries(head.headers)) {
    if (!FIELD_NAME.test(name) || FORBIDDEN_IN_REQUEST_VALUE.test(value)) {
      throw new HoldfastError(
        'INTERNAL',
        `cannot send "${head.method}" to "${head.host}": header ${JSON.stringify(name)} has characters that HTTP forbids`,
      )
    }
    if (!OWN_FIELDS.has(name.toLowerCase())) text += `${name}: ${value}\r\n`
  }
  if (head.proxyAuthorization !== undefined) text += `Proxy-Authorization: ${head.proxyAuthorization}\r\n`
  if (head.sizeBytes !== undefined) text += `Content-Length: ${head.sizeBytes}\r\n`
  return `${text}\r\n`
}

/**
 * Parses status line and headers, without the empty line that ends them.
 * @throws {MalformedAnswerError} for anything ambiguous: obsolete folding, control characters, differing lengths, unknown transfer codings.
 */
export function parseAnswerHead(text: string): AnswerHead {
  const lines = text.split('\r\n')
  const statusLine = STATUS_LINE.exec(lines[0] ?? '')
  if (statusLine === null) throw new MalformedAnswerError('the answer does not begin with an HTTP/1.1 status line')
  const headers = parseFields(lines)
  const isHttp10 = statusLine[1] === '0'
  const connection = tokens(headers.connection)
  const framing = framingOf(headers, isHttp10)
  const isAmbiguous = framing.kind === 'chunked' && headers['content-length'] !== undefined
  return {
    status: Number(statusLine[2]),
    headers,
    framing,
    keepAlive:
      framing.kind !== 'until-close' && !isAmbiguous && !connection.includes('close') && (!isHttp10 || connection.includes('keep-alive')),
  }
}

function parseFields(lines: readonly string[]): HttpHeaders {
  const headers: Record<string, string> = Object.create(null)
  for (let index = 1; index < lines.length; index += 1) {
    const line = lines[index] ?? ''
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    if (!FIELD_NAME.test(name)) throw new MalformedAnswerError('a header line has no valid name')
    const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')
    if (FORBIDDEN_IN_VALUE.test(value)) throw new MalformedAnswerError(`header ${name} has control characters`)
    const key = name.toLowerCase()
    const before = headers[key]
    headers[key] = before === undefined ? value : `${before}, ${value}`
  }
  return headers
}

function framingOf(headers: HttpHeaders, isHttp10: boolean): BodyFraming {
  const coding = headers['transfer-encoding']
  if (coding !== undefined) {
    if (coding.toLowerCase() !== 'chunked' || isHttp10) throw new MalformedAnswerError('the transfer coding is not one that was asked for')
    return {kind: 'chunked'}
  }
  const length = headers['content-length']
  if (length === undefined) return {kind: 'until-close'}
  const [first = '', ...others] = length.split(',').map((part) => part.trim())
  const sizeBytes = Number(first)
  if (!/^[0-9]+$/.test(first) || !Number.isSafeInteger(sizeBytes)) throw new MalformedAnswerError('Content-Length is not a number of bytes')
  if (others.some((other) => other !== first)) throw new MalformedAnswerError('several Content-Length headers contradict each other')
  return {kind: 'length', sizeBytes}
}

function tokens(list: string | undefined): readonly string[] {
  return list === undefined ? [] : list.toLowerCase().split(/[ \t]*,[ \t]*/)
}
