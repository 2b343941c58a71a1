/**
 * Credential helpers: programs `docker-credential-NAME` that keep credentials elsewhere
 * (protocol: docker/docker-credential-helpers, `get` with the server on standard input and JSON on standard output).
 */
import type {RegistryCredential} from '../../content/remote/endpoint.ts'
import {ByteCollector} from '../../core/byte-collector.ts'
import {HoldfastError} from '../../core/errors.ts'
import {DOCKER_HUB, type RegistryHost} from '../../oci/reference.ts'
import {credentialOf} from './auth-entry.ts'

/** A helper that asks a person or a network for longer than this is stopped. */
const HELPER_TIMEOUT_MS = 5_000
/** Tokens have a few kilobytes; a helper that writes more than this is stopped. */
const MAX_OUTPUT_BYTES = 1024 * 1024
/** Under this name docker and its helpers keep docker.io. */
const DOCKER_HUB_SERVER = 'https://index.docker.io/v1/'
const HELPER_NAME = /^[A-Za-z0-9._-]+$/
const NOT_FOUND = /credentials not found/i

/** Variables handed to the program, `PATH` (where it is found) among them. */
export type HelperEnvironment = Readonly<Record<string, string | undefined>>

export interface HelperOptions {
  readonly environment: HelperEnvironment
  /** Milliseconds; `HELPER_TIMEOUT_MS` when absent. */
  readonly timeoutMs?: number
}

/** Tells whether `name` can be part of a program's name: no path, no white space. */
export function isHelperName(name: string): boolean {
  return HELPER_NAME.test(name)
}

/**
 * Asks a helper for the credentials of a registry; undefined when it has none.
 * @throws {HoldfastError} CONFIGURATION when it is not installed, fails, takes too long, or does not answer in its protocol. Its output is never quoted.
 */
export async function askHelper(name: string, registry: RegistryHost, options: HelperOptions): Promise<RegistryCredential | undefined> {
  const server = registry === DOCKER_HUB ? DOCKER_HUB_SERVER : registry
  const {exitCode, stdout} = await runHelper(name, server, options)
  if (exitCode !== 0) {
    if (NOT_FOUND.test(stdout)) return undefined
    throw helperFailed(name, registry, `it ended with status ${exitCode}`)
  }
  const answer = parseAnswer(stdout)
  if (answer === undefined) throw helperFailed(name, registry, 'it did not answer with a JSON object of Username and Secret')
  return answer.Username === '' && answer.Secret === '' ? undefined : credentialOf(answer.Username, answer.Secret)
}

interface HelperOutput {
  readonly exitCode: number
  readonly stdout: string
}

async function runHelper(name: string, server: string, options: HelperOptions): Promise<HelperOutput> {
  const {spawn} = await import('node:child_process')
  const timeoutMs = options.timeoutMs ?? HELPER_TIMEOUT_MS
  return new Promise((resolve, reject) => {
    const helper = spawn(programOf(name), ['get'], {env: {...options.environment}, stdio: ['pipe', 'pipe', 'ignore']})
    const collected = new ByteCollector(MAX_OUTPUT_BYTES)
    const stop = (reason: string): void => {
      helper.kill('SIGKILL')
      // A process that the helper started may hold the pipe open: do not wait for it.
      helper.stdout.destroy()
      settle(() => reject(helperFailed(name, server, reason)))
    }
    const timer = setTimeout(() => stop(`it did not answer within ${timeoutMs / 1000} s`), timeoutMs)
    const settle = (outcome: () => void): void => {
      clearTimeout(timer)
      outcome()
    }
    helper.stdout.on('data', (chunk: Buffer) => {
      if (!collected.add(chunk)) stop(`it wrote more than ${MAX_OUTPUT_BYTES} bytes`)
    })
    helper.on('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'ENOENT' ? 'no such program is in PATH' : `it could not be started (${error.code})`
      settle(() => reject(helperFailed(name, server, reason)))
    })
    helper.on('close', (code, signal) => {
      if (code === null) settle(() => reject(helperFailed(name, server, `it was ended by ${signal}`)))
      else settle(() => resolve({exitCode: code, stdout: collected.bytes.toString('utf8')}))
    })
    // A helper may end without reading; its status says what that means.
    helper.stdin.on('error', () => {})
    helper.stdin.end(server)
  })
}

function parseAnswer(stdout: string): {readonly Username: string; readonly Secret: string} | undefined {
  let json: unknown
  try {
    json = JSON.parse(stdout)
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null || !('Username' in json) || !('Secret' in json)) return undefined
  const {Username, Secret} = json
  return typeof Username === 'string' && typeof Secret === 'string' ? {Username, Secret} : undefined
}

function programOf(name: string): string {
  return `docker-credential-${name}`
}

function helperFailed(name: string, server: string, reason: string): HoldfastError {
  return new HoldfastError('CONFIGURATION', `cannot get credentials for "${server}" from "${programOf(name)}": ${reason}`, {
    hints: [`command -v ${programOf(name)}`, `${programOf(name)} list`],
    details: {helper: name, server},
  })
}
