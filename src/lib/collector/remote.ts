/** A collector over HTTP: each operation is one request to its REST API. */
import {HoldfastError, isErrorCode} from '../core/errors.ts'
import {checkInput, type Operation} from './api/operation.ts'
import type {Collector} from './collector.ts'

export interface ApiRequest {
  readonly method: Operation['method']
  /** Below `/api/v1`, with its query. */
  readonly path: string
  /** Absent for GET. */
  readonly json?: object
}

export interface ApiAnswer {
  readonly status: number
  /** The parsed body; undefined when it is not JSON. */
  readonly json: unknown
}

/** Sends one request to the collector, as whoever we are there. */
export type SendToCollector = (request: ApiRequest) => Promise<ApiAnswer>

/** @param url the collector's, for messages. */
export function createRemoteCollector(url: string, send: SendToCollector): Collector {
  return {
    async run(operation, input) {
      const {status, json} = await send(requestFor(operation, checkInput(operation, input)))
      if (status >= 200 && status < 300 && typeof json === 'object' && json !== null) return json as never
      throw failureOf(url, status, json)
    },
  }
}

/** The path takes its parameters from the input; the rest is the query, or the body. */
function requestFor({method, path}: Pick<Operation, 'method' | 'path'>, input: object): ApiRequest {
  const rest = new Map(Object.entries(input))
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(rest.get(name))
    rest.delete(name)
    return encodeURIComponent(value)
  })
  if (method !== 'GET') return {method, path: filled, json: Object.fromEntries(rest)}
  const query = new URLSearchParams([...rest].map(([name, value]): [string, string] => [name, String(value)]))
  return {method, path: query.size === 0 ? filled : `${filled}?${query}`}
}

/** What the collector says of a failure is an error as if it had happened here. */
function failureOf(url: string, status: number, json: unknown): HoldfastError {
  const error: unknown = Reflect.get(Object(json), 'error')
  const code: unknown = Reflect.get(Object(error), 'code')
  const message: unknown = Reflect.get(Object(error), 'message')
  const hints: unknown = Reflect.get(Object(error), 'hints')
  if (isErrorCode(code) && typeof message === 'string') {
    return new HoldfastError(code, message, {
      hints: code === 'UNAUTHENTICATED' ? [`holdfast collector use ${url}`] : Array.isArray(hints) ? hints.map(String) : [],
      details: {collector: url},
    })
  }
  return new HoldfastError('REGISTRY_UNAVAILABLE', `cannot ask collector "${url}": it answered ${status}, and not as a collector does`, {
    hints: [`curl -i ${url}/openapi.json`],
    details: {collector: url, httpStatus: status},
  })
}
