/**
 * The protocol of docker's credential helpers: an action as the argument, its object on standard input, the answer or an error's text on standard output
 * (docker/docker-credential-helpers, `credentials` and `client`; podman, skopeo and others speak it through the same library).
 */

import {HoldfastError} from '../../core/errors.ts'
import {Secret} from '../../core/secret.ts'
import {escapeText} from '../../core/terminal-text.ts'
import {DOCKER_HUB, isRepositoryName, type RegistryHost, type RepositoryName} from '../../oci/reference.ts'
import type {LoginRecord} from '../../records/store.ts'
import {parseRegistryKey} from '../docker-config/registry-key.ts'
import type {Logins} from '../logins.ts'

/** By this user name the tools know that the secret is an identity token. */
const IDENTITY_TOKEN_USERNAME = '<token>'
/** Under this name docker keeps docker.io. */
const DOCKER_HUB_SERVER = 'https://index.docker.io/v1/'
const ACTIONS = 'store|get|erase|list'

/** The words by which docker, podman and skopeo tell "there is none" from "it went wrong". */
const NOT_FOUND = 'credentials not found in native keychain'
const NO_SERVER = 'no credentials server URL'
const NO_USERNAME = 'no credentials username'

export interface HelperAnswer {
  readonly exitCode: 0 | 1
  readonly stdout: string
}

export interface HelperDependencies {
  readonly logins: Logins
  readonly now: () => Date
}

/**
 * Answers one call; never rejects.
 * - `get` answers for the registry, or for a path in it when the server has one; of several accounts for the one that logged in last.
 * - `store` proves nothing: docker has tried the credential before.
 * - `erase` forgets every account of exactly that registry or path.
 * - `list` names each registry and path once.
 */
export async function answerHelper(action: string, input: string, dependencies: HelperDependencies): Promise<HelperAnswer> {
  try {
    return await run(action, input, dependencies)
  } catch (error) {
    return refuseHelper(error)
  }
}

/** The answer to a call that failed, in one line: the tools print it inside a sentence of their own. */
export function refuseHelper(error: unknown): HelperAnswer {
  if (!(error instanceof HoldfastError)) return refuse('cannot answer: this is a bug of holdfast')
  const [hint] = error.hints
  return refuse(`${error.message} (${error.code})${hint === undefined ? '' : `; try: ${hint}`}`)
}

async function run(action: string, input: string, {logins, now}: HelperDependencies): Promise<HelperAnswer> {
  if (action === 'list')
    return answerJson(Object.fromEntries((await logins.list()).toReversed().map((login) => [serverOf(login), username(login)])))
  if (action === 'store') return await store(input, logins, now())
  const server = input.trim()
  if (action !== 'get' && action !== 'erase') return refuse(`usage: docker-credential-holdfast ${ACTIONS}`)
  if (server === '') return refuse(NO_SERVER)
  const scope = parseServer(server)
  if (scope === undefined) return refuse(NOT_FOUND)
  return action === 'get' ? await get(server, scope, logins) : await erase(scope, logins)
}

/** A registry, or the repositories below a path in it. */
interface Scope {
  readonly registry: RegistryHost
  readonly path: RepositoryName | undefined
}

async function get(server: string, {registry, path}: Scope, logins: Logins): Promise<HelperAnswer> {
  const login = await logins.select(registry, path)
  if (login === undefined) return refuse(NOT_FOUND)
  const credential = await logins.reveal(login)
  const secret = credential.kind === 'basic' ? credential.password : credential.token
  return answerJson({ServerURL: server, Username: username(login), Secret: secret})
}

async function store(input: string, logins: Logins, now: Date): Promise<HelperAnswer> {
  const given = parseCredentials(input)
  if (given === undefined) return refuse('cannot read credentials: standard input is not a JSON object of ServerURL, Username and Secret')
  if (given.ServerURL === '') return refuse(NO_SERVER)
  if (given.Username === '') return refuse(NO_USERNAME)
  const scope = parseServer(given.ServerURL)
  if (scope === undefined) return refuse(`cannot store credentials for "${given.ServerURL.slice(0, 300)}": it names no registry`)
  const kind = given.Username === IDENTITY_TOKEN_USERNAME ? 'identity-token' : 'password'
  const {registry, path} = scope
  const prefix = path === undefined ? {} : {pathPrefix: path}
  await logins.save({registry, ...prefix, account: given.Username, kind, loggedInAt: now.toISOString()}, new Secret(given.Secret))
  return {exitCode: 0, stdout: ''}
}

async function erase({registry, path}: Scope, logins: Logins): Promise<HelperAnswer> {
  for (const login of await logins.list(registry)) if (login.pathPrefix === path) await logins.remove(login)
  return {exitCode: 0, stdout: ''}
}

/** Undefined for what names no registry. */
function parseServer(server: string): Scope | undefined {
  const key = parseRegistryKey(server)
  if (key === undefined) return undefined
  const {registry, pathPrefix} = key
  if (pathPrefix === '') return {registry, path: undefined}
  return isRepositoryName(pathPrefix) ? {registry, path: pathPrefix} : undefined
}

function serverOf({registry, pathPrefix}: LoginRecord): string {
  if (pathPrefix !== undefined) return `${registry}/${pathPrefix}`
  return registry === DOCKER_HUB ? DOCKER_HUB_SERVER : registry
}

function username({account, kind}: LoginRecord): string {
  return kind === 'identity-token' ? IDENTITY_TOKEN_USERNAME : account
}

interface DockerCredentials {
  readonly ServerURL: string
  readonly Username: string
  readonly Secret: string
}

function parseCredentials(input: string): DockerCredentials | undefined {
  let json: unknown
  try {
    json = JSON.parse(input)
  } catch {
    // The parser's message quotes its text, which may be the secret.
    return undefined
  }
  if (typeof json !== 'object' || json === null) return undefined
  const {ServerURL, Username, Secret: secret}: {readonly [name: string]: unknown} = {...json}
  if (typeof ServerURL !== 'string' || typeof Username !== 'string' || typeof secret !== 'string') return undefined
  return {ServerURL, Username, Secret: secret}
}

function answerJson(answer: object): HelperAnswer {
  return {exitCode: 0, stdout: `${escapeText(JSON.stringify(answer))}\n`}
}

function refuse(reason: string): HelperAnswer {
  return {exitCode: 1, stdout: `${escapeText(reason)}\n`}
}
