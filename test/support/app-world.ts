/** An app on a fake foundation, a cache and origins in memory, and machines that Holdfast works from: what tests of staging need, without a process or a registry. */
import assert from 'node:assert/strict'
import {createHash, randomUUID} from 'node:crypto'
import {type AppStatus, statusOf} from '../../src/lib/apps/app-status.ts'
import {createCloudFoundryPlatform} from '../../src/lib/apps/cloud-foundry-platform.ts'
import {rotateCredentials} from '../../src/lib/apps/credentials.ts'
import {CACHE_VARIABLE} from '../../src/lib/apps/opt-in.ts'
import type {Platform} from '../../src/lib/apps/platform.ts'
import {type Rollback, rollBackApp} from '../../src/lib/apps/rollback-app.ts'
import {releaseBefore} from '../../src/lib/apps/running.ts'
import {type StageDependencies, type StageOutcome, type StageRequest, stageApp} from '../../src/lib/apps/stage-app.ts'
import type {CachedImage} from '../../src/lib/caching/cache-images.ts'
import {type Controller, createController} from '../../src/lib/cloud-foundry/controller.ts'
import {DEFAULT_ROLLOUT} from '../../src/lib/cloud-foundry/rollouts.ts'
import {HoldfastError, interrupted} from '../../src/lib/core/errors.ts'
import {Secret} from '../../src/lib/core/secret.ts'
import {formatReference, parseReference, parseRegistryHost, type Reference} from '../../src/lib/oci/reference.ts'
import type {StagedImageRecord} from '../../src/lib/records/store.ts'
import {FakeCloudFoundry} from './fake-cf/fake-cf.ts'
import type {ImageCredentials} from './fake-cf/instances.ts'
import type {Droplet} from './fake-cf/state.ts'

const ANN = {username: 'ann', password: 'password of ann'}
export const CACHE = parseRegistryHost('cache.example.com')
export const APP = 'shop'

/** A machine that Holdfast runs on: what it remembers, and when its next run stops. */
export interface Machine {
  readonly copies: Map<string, StagedImageRecord>
  readonly guids: Map<string, string>
  requestsLeft: number
  /** It stops before the request is sent, or when the answer should come. */
  stopsBefore: boolean
}

/** One that remembers nothing. */
export const newMachine = (): Machine => ({copies: new Map(), guids: new Map(), requestsLeft: Number.POSITIVE_INFINITY, stopsBefore: true})

export interface AppWorlds {
  /** A world with the app as `cf push` leaves it, opted in; the one before is gone. */
  create(image: string): Promise<AppWorld>
  close(): Promise<void>
}

export async function startAppWorlds(): Promise<AppWorlds> {
  let world: AppWorld | undefined
  const foundation = new FakeCloudFoundry({
    pollsUntilDone: 1,
    accessTokenSeconds: 86_400,
    resolveImage: async (image, credentials) => pull(world, image, credentials),
  })
  await foundation.start()
  foundation.addUser({name: ANN.username, password: ANN.password, role: 'developer'})
  const token = await tokenOf(foundation)
  return {
    async create(image) {
      const {apps, packages, droplets, builds, deployments} = foundation.state
      for (const list of [apps, packages, droplets, builds, deployments, foundation.requests]) list.length = 0
      foundation.startAs(APP, 'pulls')
      const {spaceGuid} = foundation.addSpace('acme', randomUUID())
      world = new AppWorld(foundation, token, spaceGuid)
      await foundation.addApp(spaceGuid, {name: APP, image, variables: {[CACHE_VARIABLE]: 'true'}})
      return world
    },
    close: () => foundation.stop(),
  }
}

/** A cell pulls from the cache with a password that is good now, and from an origin without one. */
function pull(world: AppWorld | undefined, image: string, credentials: ImageCredentials | undefined): string {
  const {registry, digest} = parseReference(image)
  if (registry !== CACHE) return world?.digestOf(image) ?? ''
  if (digest === undefined || !world?.contents.has(image)) throw new Error(`manifest unknown: ${image}`)
  if (credentials === undefined || !world.passwords.includes(credentials.password)) throw new Error(`unauthorized: ${image}`)
  return digest
}

async function tokenOf(foundation: FakeCloudFoundry): Promise<Secret> {
  const answer = await fetch(`${foundation.url}/oauth/token`, {
    method: 'POST',
    headers: {authorization: `Basic ${Buffer.from('cf:').toString('base64')}`},
    body: new URLSearchParams({grant_type: 'password', ...ANN}),
  })
  return new Secret(((await answer.json()) as {access_token: string}).access_token)
}

/** Runs are those of one machine, unless another one is named. */
export class AppWorld {
  readonly foundation: FakeCloudFoundry
  /** What the cache has: the source of each pinned reference, as only this test knows it. */
  readonly contents = new Map<string, string>()
  /** Good at the cache now; the last one is what runs give to the platform. */
  passwords: string[] = [randomUUID()]
  machine = newMachine()
  /** How runs move the app. */
  rollout = DEFAULT_ROLLOUT
  readonly #token: Secret
  readonly #spaceGuid: string
  readonly #moves = new Map<string, number>()

  constructor(foundation: FakeCloudFoundry, token: Secret, spaceGuid: string) {
    this.foundation = foundation
    this.#token = token
    this.#spaceGuid = spaceGuid
  }

  /** What a tag of an origin names now. */
  digestOf(image: string): string {
    return `sha256:${createHash('sha256')
      .update(`${image} ${this.#moves.get(image) ?? 0}`)
      .digest('hex')}`
  }

  /** A tag of an origin names another image from now on. */
  moveTag(image: string): void {
    this.#moves.set(image, (this.#moves.get(image) ?? 0) + 1)
  }

  /** What runs. */
  current(): Droplet {
    const droplet = this.foundation.state.droplets.find(({guid}) => guid === this.foundation.app(APP).dropletGuid)
    assert.ok(droplet)
    return droplet
  }

  /** The image that runs, or that what runs is a copy of. */
  truth(): string {
    const {image = ''} = this.current()
    return this.contents.get(image) ?? image
  }

  isCached(): boolean {
    return this.contents.has(this.current().image ?? '')
  }

  /** Another password for the platform; those before stay good. */
  newPassword(): string {
    const password = randomUUID()
    this.passwords.push(password)
    return password
  }

  /** Ends the passwords that nothing that runs has. */
  endPasswords(): void {
    const used = this.current().credentials?.password
    this.passwords = this.passwords.filter((password, index) => password === used || index === this.passwords.length - 1)
  }

  hasOptedIn(): boolean {
    return this.foundation.app(APP).variables.get(CACHE_VARIABLE) === 'true'
  }

  async optIn(value: string | undefined): Promise<void> {
    const platform = this.platform()
    await platform.setVariable(await platform.findApp(APP), CACHE_VARIABLE, value)
  }

  async stage(request: StageRequest = {}, machine: Machine = this.machine): Promise<StageOutcome> {
    return await stageApp(APP, request, this.dependencies(machine))
  }

  async rollBack(hasCredentials: boolean, machine: Machine = this.machine): Promise<Rollback> {
    const {pullCredentials, ...dependencies} = this.dependencies(machine)
    return await rollBackApp(APP, {...dependencies, openRegistry: async () => CACHE, ...(hasCredentials ? {pullCredentials} : {})})
  }

  /** Gives the app a new password. */
  async rotate(machine: Machine = this.machine): Promise<string> {
    const password = this.newPassword()
    await rotateCredentials(APP, this.dependencies(machine))
    return password
  }

  /** As a machine sees it that remembers nothing. */
  async show(): Promise<AppStatus> {
    const platform = this.platform(newMachine())
    return await statusOf(await platform.findApp(APP), {platform, findCopy: async () => undefined, looksBack: true})
  }

  /** The release that a rollback goes back to. */
  async before(): Promise<string | undefined> {
    return releaseBefore(this.current().guid, (await this.platform(newMachine()).findApp(APP)).note)
  }

  dependencies(machine: Machine): StageDependencies {
    return {
      platform: this.platform(machine),
      registry: CACHE,
      cache: async (source, {owner = ''}) =>
        this.#cache(machine, source.digest === undefined ? formatReference(source) : this.#tagOf(source), owner),
      isThere: async (image) => this.contents.has(formatReference(image)),
      pullCredentials: {username: 'platform', password: new Secret(this.passwords.at(-1) ?? '')},
      assertPullable: async (image, credentials) => {
        if (credentials !== undefined && this.passwords.includes(credentials.password.reveal())) return
        throw new HoldfastError('UNAUTHENTICATED', `cannot pull "${formatReference(image)}"`)
      },
      originCredentials: async () => undefined,
      findCopy: async (image) => machine.copies.get(image),
      now: () => new Date(),
    }
  }

  /** The tag that names a digest now. */
  #tagOf(source: Reference): string {
    const {apps, packages} = this.foundation.state
    assert.ok(apps.length > 0)
    const name = packages.map(({image = ''}) => image).find((image) => !image.includes('@') && this.digestOf(image) === source.digest)
    if (name === undefined) throw new HoldfastError('MANIFEST_NOT_FOUND', `cannot find "${formatReference(source)}"`)
    return name
  }

  /** The same wish has the same name on one machine, and another one elsewhere. */
  #cache(machine: Machine, source: string, owner: string): CachedImage {
    assert.ok(!this.contents.has(source) && parseReference(source).registry !== CACHE, `a copy is cached: ${source}`)
    const guid = machine.guids.get(`${source} ${owner}`) ?? randomUUID()
    machine.guids.set(`${source} ${owner}`, guid)
    const digest = this.digestOf(source)
    const pinnedReference = `${CACHE}/${guid}@${digest}`
    this.contents.set(pinnedReference, source)
    const cachedAt = new Date().toISOString()
    machine.copies.set(pinnedReference, {source, sourceDigest: digest, cached: pinnedReference, stagedAt: cachedAt})
    return {
      source,
      pinnedReference,
      reference: `${CACHE}/${guid}:latest`,
      registry: CACHE,
      repository: guid,
      digest,
      sourceDigest: digest,
      digestChanged: false,
      unchanged: false,
      sizeBytes: 0,
      copiedBytes: 0,
      uploadedBlobs: 0,
      mountedBlobs: 0,
      presentBlobs: 0,
      referrers: 0,
      cachedAt,
    }
  }

  platform(machine: Machine = this.machine): Platform {
    const {url: api} = this.foundation
    let nowMs = 0
    const network = {
      now: () => new Date(nowMs),
      sleep: async (ms: number) => {
        nowMs += ms
      },
    }
    const session = {accessToken: async () => this.#token, renew: async () => this.#token}
    const controller = createController({api, insecure: false, session, network})
    const space = {guid: this.#spaceGuid, name: 'dev'}
    return createCloudFoundryPlatform({
      controller: stopping(controller, machine),
      space,
      organization: {name: 'acme'},
      network,
      rollout: this.rollout,
    })
  }
}

/** Stops a run at a request, before it is sent or before its answer is read. */
function stopping(controller: Controller, machine: Machine): Controller {
  return {
    ...controller,
    async send(...request) {
      const isLast = --machine.requestsLeft === 0
      if (machine.requestsLeft < 0 || (isLast && machine.stopsBefore)) throw interrupted()
      const answer = await controller.send(...request)
      if (isLast) throw interrupted()
      return answer
    },
  }
}
