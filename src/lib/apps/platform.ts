/**
 * The platform port: where apps are, and how one is made to run an image. Implementers: Cloud Foundry, and the records of this machine where there is no platform.
 *
 * Invariants: an app's other variables are neither read nor changed; credentials go to the platform and come back from nowhere.
 */
import type {Secret} from '../core/secret.ts'
import type {StepListener} from '../core/step.ts'
import type {StagedImageRecord} from '../records/store.ts'

export interface PlatformApp {
  /** The platform's own id. */
  readonly id: string
  readonly name: string
  /** What Holdfast has noted of it; absent for one that it never staged, or has let go. */
  readonly staged?: StagedImageRecord
  /** What lists know of the user's choice; absent when it is unknown. The variable itself decides. */
  readonly hasOptedIn?: boolean
  /** It runs no image. */
  readonly isBuiltFromSource?: true
}

/** What an app runs. */
export interface Release {
  /** The platform's own name for it, by which it can be gone back to. */
  readonly id: string
  readonly image: string
  /** Present when the app is still being moved to it: `paused` waits for the user to continue a canary deployment. */
  readonly underWay?: 'deploying' | 'paused'
}

/** A release that an app is being moved to. */
export interface ReleaseUnderWay {
  /** `failing`: new instances crash, or the platform says what keeps it from going on. */
  readonly state: 'deploying' | 'failing' | 'paused' | 'canceling'
  /** What keeps it from going on, as the platform says it. */
  readonly error?: string
  /** New instances, where the platform was asked for them. */
  readonly instances?: {readonly running: number; readonly starting: number; readonly crashed: number}
}

export interface PullCredentials {
  readonly username: string
  readonly password: Secret
}

export interface ReleaseRequest {
  readonly image: string
  /** What the platform pulls the image with; absent for nobody's. */
  readonly credentials?: PullCredentials | undefined
  readonly onStep?: StepListener | undefined
}

export interface Platform {
  readonly kind: 'cloud-foundry' | 'local'
  /** For people: `space "dev" of org "acme" at api.example.com`. */
  readonly description: string
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
  /** Undefined for an app that was never staged. */
  currentRelease(app: PlatformApp): Promise<Release | undefined>
  /** Waits until a release that is under way has ended; what an interrupted run began is finished so. */
  settle(app: PlatformApp, onStep?: StepListener): Promise<void>
  /** The release that the app is being moved to now; undefined where there is none. */
  releaseUnderWay(app: PlatformApp): Promise<ReleaseUnderWay | undefined>
  /** Cancels the release that is under way at once; what ran before, and runs again. Undefined where none was under way. */
  cancelRelease(app: PlatformApp, onStep?: StepListener): Promise<Release | undefined>
  /** Makes the app run an image, without a moment in which nothing runs. The release before it is kept. */
  release(app: PlatformApp, request: ReleaseRequest): Promise<Release>
  /** Goes back to a release that is kept. */
  rollback(app: PlatformApp, releaseId: string, onStep?: StepListener): Promise<Release>
  /** Notes what the app was given; undefined forgets it. */
  noteStaged(app: PlatformApp, staged: StagedImageRecord | undefined): Promise<void>
  /** The calls that `release` would make, one a line. */
  describeRelease(app: PlatformApp, image: string): readonly string[]
  /** The call that `noteStaged` would make. */
  describeNote(app: PlatformApp): string
}
