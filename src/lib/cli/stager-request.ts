/** What `stager args` is told: on its command line, with the stager's own flags, or as a request of the Cloud Controller. */
import {HoldfastError} from '../core/errors.ts'
import {parseStagingRequest, type StagingRequest} from '../staging/stager/staging-request.ts'
import {readInputText} from './input-file.ts'

/** The stager's flags and ours. */
const STAGER_FLAGS: Readonly<Record<string, string>> = {
  consulCluster: 'consul-cluster',
  consulAgentURL: 'consul-cluster',
  dockerRegistryURL: 'docker-registry-url',
  dockerRegistryAddress: 'docker-registry-address',
  insecureDockerRegistry: 'insecure-docker-registry',
}

/** Writes the stager's flags, which have one dash and no dash within, as ours. */
export function stagerArgv(argv: readonly string[]): string[] {
  return argv.map((arg) => {
    const [, name = '', rest = ''] = /^--?([A-Za-z]+)(=.*)?$/s.exec(arg) ?? []
    const own = Object.hasOwn(STAGER_FLAGS, name) ? STAGER_FLAGS[name] : undefined
    return own === undefined ? arg : `--${own}${rest}`
  })
}

/** @throws {HoldfastError} USAGE */
export function parseEnvironment(pairs: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    pairs.map((pair): [string, string] => {
      const at = pair.indexOf('=')
      if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)]
      throw new HoldfastError('USAGE', 'cannot read --environment: it is no NAME=VALUE', {hints: ['--environment DIEGO_DOCKER_CACHE=true']})
    }),
  )
}

/** Real ones have a few kilobytes; the environment of an app may have some more. */
const MAX_REQUEST_BYTES = 1024 * 1024

/** @throws {HoldfastError} CONFIGURATION when the file cannot be read; USAGE for what is no request. */
export async function readRequest(file: string, signal: AbortSignal): Promise<StagingRequest> {
  return parseStagingRequest(await readInputText(file, signal, {maxBytes: MAX_REQUEST_BYTES}))
}

/** Host, port and security of `http://host:port` or `https://host:port`. @throws {HoldfastError} USAGE with the stager's words. */
export function registryName(url: string): {readonly host: string; readonly port: number; readonly isPlain: boolean} {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.hostname === '') {
    throw new HoldfastError('USAGE', 'cannot make the arguments of the builder: invalid docker registry address', {
      hints: ['--docker-registry-url http://docker-registry.service.cf.internal:8080'],
    })
  }
  const isPlain = parsed.protocol === 'http:'
  return {host: parsed.hostname, port: Number(parsed.port || (isPlain ? 80 : 443)), isPlain}
}
