/** Who may come to a mirror, and who is believed about where somebody comes from: looked at before any configuration of nginx is written. */
import {HoldfastError} from '../core/errors.ts'
import {assertPlain} from './plain.ts'

export interface ClientNetworks {
  /** Networks of clients. */
  readonly allow: readonly string[]
  /** Proxies before this one. */
  readonly trustedProxies: readonly string[]
}

const EVERYBODY = /^(?:0\.0\.0\.0\/0|::\/0|all)$/

/** @throws {HoldfastError} CONFIGURATION when a network cannot be written safely, nobody is allowed, or every forwarder would be believed. */
export function assertClientNetworks({allow, trustedProxies}: ClientNetworks): void {
  for (const network of [...allow, ...trustedProxies]) assertPlain('a network', network)
  if (allow.length === 0) throw unsafe('nobody is allowed', '--allow 10.0.0.0/8')
  const everybody = trustedProxies.find((network) => EVERYBODY.test(network))
  if (everybody !== undefined) throw unsafe(`"${everybody}" would let every client name his own address`, '--trusted-proxy 10.0.0.7')
}

function unsafe(reason: string, hint: string): HoldfastError {
  return new HoldfastError('CONFIGURATION', `cannot write the configuration of nginx: ${reason}`, {hints: [hint]})
}
