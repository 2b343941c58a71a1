/**
 * The platform port: where apps are, and how one is made to run an image. Implementers: Cloud Foundry, and the records of this machine where there is no platform.
 *
 * Invariants: an app's other variables are neither read nor changed; credentials go to the platform and never come back from it; a release keeps what it is a copy of,
 * whatever moves the app to it.
 */
import type {Secret} from '../core/secret.ts'
import type {StepListener} from '../core/step.ts'
import type {StagedImageRecord} from '../records/store.ts'

export interface PlatformApp {
  /** The platform's own id. */
  readonly id: string
  readonly name: string
  /** Tells it from apps of the same name elsewhere; absent for an app of this machine. */
  readonly owner?: string
  /** What Holdfast has noted of it; absent for one that it never staged, or has let go. */
  readonly note?: AppNote
  /** What lists know of the user's choice; absent when it is unknown. The variable itself decides. */
  readonly hasOptedIn?: boolean
  /** It runs no image. */
  readonly isBuiltFromSource?: true
  /** It runs nothing until it is started. */
  readonly isStopped?: true
}

/** What is noted of an app. What its releases are copies of stands on the releases; here it is a cache of that. */
export interface AppNote {
  /** The last copy that it was given. */
  readonly staged?: StagedImageRecord
  /** The release that it ran when this was noted. */
  readonly release?: string
  /** The release before that one. */
  readonly previous?: string
  /** A move that was begun: once `to` runs, `previous` is the release before. `wasStarted`: the move stops the app, which is to be started again. */
  readonly pending?: {readonly to: string; readonly previous?: string; readonly wasStarted?: true}
}

/** What an app runs, or can be moved to. */
export interface Release {
  /** The platform's own name for it, by which it can be gone back to; empty for an image that was pushed and never staged. */
  readonly id: string
  readonly image: string
  /** What the image is a copy of, as it stands on the release itself. */
  readonly staged?: StagedImageRecord
}

/** Of an app that is still being moved: `paused` waits for the user to continue a canary deployment. */
export type UnderWay = 'deploying' | 'paused'

/** A release that an app is being moved to. */
export interface ReleaseUnderWay {
  /** `failing`: new instances crash, or the platform says what keeps it from going on. */
  readonly state: 'deploying' | 'failing' | 'paused' | 'canceling'
  /** What keeps it from going on, as the platform says it. */
  readonly error?: string
  /** New instances, where the platform was asked for them. */
  readonly instances?: {readonly running: number; readonly starting: number; readonly crashed: number}
}

/** `pullsAs`: the user name that its instances pull with; absent where they pull without one. The password comes back from nowhere. */
export type KeptRelease = Release & {readonly pullsAs?: string}

export interface PullCredentials {
  readonly username: string
  readonly password: Secret
}

export interface ReleaseRequest {
  readonly image: string
  /** What the image is a copy of; absent for an image that is the user's own. */
  readonly staged?: StagedImageRecord | undefined
  /** What the platform pulls the image with; absent: it pulls without credentials. */
  readonly credentials?: PullCredentials | undefined
  readonly onStep?: StepListener | undefined
}

export interface Platform {
  readonly kind: 'cloud-foundry' | 'local'
  /** For people: `space "dev" of org "acme" at api.example.com`. */
  readonly description: string
  /** `ORG/SPACE`, where a platform has spaces. */
  readonly space?: string
  /** `activate` stops an app that runs, and starts it with its release. */
  readonly stopsApps: boolean
  /** @throws {HoldfastError} OBJECT_NOT_FOUND with names that are near. */
  findApp(name: string): Promise<PlatformApp>
  /** Those that run images, by name. */
  listApps(): Promise<readonly PlatformApp[]>
  /** The same, with what each runs, read for all of them together: `currentRelease` and `releaseUnderWay` of these return what was read then. */
  surveyApps(): Promise<readonly PlatformApp[]>
  /** Those that have opted in and run no image, by name. */
  listAppsWithoutImage(): Promise<readonly PlatformApp[]>
  readVariable(app: PlatformApp, name: string): Promise<string | undefined>
  /** Undefined takes it away. */
  setVariable(app: PlatformApp, name: string, value: string | undefined): Promise<void>
  /** Makes what lists know of the user's choice agree with it. */
  markOptIn(app: PlatformApp, hasOptedIn: boolean): Promise<void>
  /** Undefined for an app that has no image. */
  currentRelease(app: PlatformApp): Promise<Release | undefined>
  /** @throws {HoldfastError} OBJECT_NOT_FOUND when it is not kept any more. */
  findRelease(app: PlatformApp, releaseId: string): Promise<KeptRelease>
  /** Waits until builds and releases that are under way have ended, however they end; returns the app as it is then. */
  settle(app: PlatformApp, onStep?: StepListener): Promise<PlatformApp>
  /** The release that the app is being moved to now; undefined where there is none. */
  releaseUnderWay(app: PlatformApp): Promise<ReleaseUnderWay | undefined>
  /** Cancels the release that is under way at once; what ran before, and runs again. Undefined where none was under way. */
  cancelRelease(app: PlatformApp, onStep?: StepListener): Promise<Release | undefined>
  /** Makes a release of an image; the app goes on with what it runs. Uses what an interrupted run has made for the same image. */
  prepare(app: PlatformApp, request: ReleaseRequest): Promise<Release>
  /**
   * Makes a release of what a kept one was made of, with the credentials that are kept with it: shows whether the platform can still pull it.
   * @throws {HoldfastError} STAGING_FAILED when it cannot
   */
  prepareAgain(app: PlatformApp, release: Release, onStep?: StepListener): Promise<Release>
  /**
   * Makes the app run a release, and keeps the one before. Returns undefined when it runs it, and how far it is when the platform was not to be waited for. An app that is
   * stopped stays so, unless a move that was cut off has stopped it.
   */
  activate(app: PlatformApp, release: Release, onStep?: StepListener): Promise<UnderWay | undefined>
  /** Starts an app that is stopped with the release that it has. Returns as `activate`. */
  start(app: PlatformApp, onStep?: StepListener): Promise<UnderWay | undefined>
  /** Writes on a release of an older version what it is a copy of. */
  mark(app: PlatformApp, releaseId: string, staged: StagedImageRecord): Promise<void>
  /** Replaces what is noted of the app; undefined forgets it. */
  writeNote(app: PlatformApp, note: AppNote | undefined): Promise<void>
  /** The calls that `prepare` and `activate` would make, one a line. */
  describeRelease(app: PlatformApp, image: string): readonly string[]
  /** The calls that `start` would make, one a line. */
  describeStart(app: PlatformApp): readonly string[]
  /** The call that `writeNote` would make. */
  describeNote(app: PlatformApp): string
}
