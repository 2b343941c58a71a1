/** One small request of a login, answered in JSON. */
import {MAX_TOKEN_RESPONSE_BYTES} from '../auth/token-response.ts'
import type {HttpClient, HttpHeaders, HttpRequest} from '../http/client.ts'
import type {RefusingAnswer} from './attempt.ts'

export interface JsonQuestion {
  readonly method: HttpRequest['method']
  readonly url: URL
  readonly headers?: HttpHeaders
  /** Sent as `application/x-www-form-urlencoded`. */
  readonly form?: Readonly<Record<string, string>>
  /** `MAX_TOKEN_RESPONSE_BYTES` when absent. */
  readonly maxBodyBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Sends it once and follows no redirect; every status is an ordinary answer, whose `json` is undefined for a body that is not JSON.
 * @throws {HoldfastError} as `HttpClient.request`; INTEGRITY for a body above `maxBodyBytes`.
 */
export async function askJson(http: HttpClient, question: JsonQuestion): Promise<RefusingAnswer> {
  const {method, url, headers, form, maxBodyBytes = MAX_TOKEN_RESPONSE_BYTES, signal} = question
  const response = await http.request({
    method,
    url,
    headers: {
      accept: 'application/json',
      ...(form === undefined ? {} : {'content-type': 'application/x-www-form-urlencoded'}),
      ...headers,
    },
    ...(form === undefined ? {} : {body: Buffer.from(new URLSearchParams(form).toString())}),
    maxBodyBytes,
    ...(signal === undefined ? {} : {signal}),
  })
  return {status: response.status, headers: response.headers, json: parse(response.body)}
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
