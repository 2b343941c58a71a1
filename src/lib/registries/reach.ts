/** The way to a registry below HTTP: its name and its port. */
import {lookup} from 'node:dns/promises'
import {connect, isIP} from 'node:net'
import {HoldfastError} from '../core/errors.ts'
import {CONNECT_TIMEOUT_MS} from './limits.ts'

/** Where a server listens; an IPv6 address without brackets. */
export interface ServerAddress {
  readonly hostname: string
  readonly port: number
}

const HTTPS_PORT = 443
const HTTP_PORT = 80

/** The address that a base URL leads to. */
export function serverAddress(base: URL): ServerAddress {
  const port = base.port === '' ? (base.protocol === 'https:' ? HTTPS_PORT : HTTP_PORT) : Number(base.port)
  return {hostname: base.hostname.replace(/^\[|\]$/g, ''), port}
}

/**
 * The IP addresses of a host, in the resolver's order; an address is its own.
 * @throws {HoldfastError} NETWORK when there are none.
 */
export async function resolveHost(hostname: string): Promise<readonly string[]> {
  if (isIP(hostname) !== 0) return [hostname]
  try {
    return (await lookup(hostname, {all: true})).map(({address}) => address)
  } catch (cause) {
    const code = errorCode(cause)
    const reason = code === 'ENOTFOUND' ? 'there is no such host' : `the name server does not answer (${code})`
    throw new HoldfastError('NETWORK', `cannot resolve "${hostname}": ${reason}`, {hints: [`getent hosts ${hostname}`], cause})
  }
}

/**
 * Opens one TCP connection and closes it again; addresses of both families are tried as HTTP would. Answers the address that was reached.
 * @throws {HoldfastError} NETWORK, TIMEOUT, INTERRUPTED
 */
export function connectTcp({hostname, port}: ServerAddress, signal?: AbortSignal): Promise<string> {
  const name = isIP(hostname) === 6 ? `[${hostname}]:${port}` : `${hostname}:${port}`
  const hints = [`curl -v telnet://${name} </dev/null`]
  return new Promise((resolve, reject) => {
    const socket = connect({host: hostname, port, autoSelectFamily: true, ...(signal === undefined ? {} : {signal})})
    socket.setTimeout(CONNECT_TIMEOUT_MS, () =>
      socket.destroy(new HoldfastError('TIMEOUT', `cannot connect to "${name}": no answer within ${CONNECT_TIMEOUT_MS / 1000} s`, {hints})),
    )
    socket.once('connect', () => {
      resolve(`${socket.remoteAddress ?? hostname} port ${port}`)
      socket.destroy()
    })
    socket.once('error', (cause) => reject(connectFailure(name, cause, hints)))
  })
}

function connectFailure(name: string, cause: Error, hints: readonly string[]): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  if (cause.name === 'AbortError') return new HoldfastError('INTERRUPTED', `interrupted while connecting to "${name}"`, {cause})
  const code = errorCode(cause instanceof AggregateError ? cause.errors[0] : cause)
  const reason = code === 'ECONNREFUSED' ? 'nothing listens there' : code
  return new HoldfastError('NETWORK', `cannot connect to "${name}": ${reason}`, {hints, cause})
}

function errorCode(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown reason'
}
