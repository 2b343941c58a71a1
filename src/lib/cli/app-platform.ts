/** Which platform the apps are on, and what results say of it. */
/** Which platform the apps are on. */
import type {CloudFoundryPlatformOptions} from '../apps/cloud-foundry-platform.ts'
import {createLocalPlatform} from '../apps/local-platform.ts'
import type {Platform} from '../apps/platform.ts'
import {type Foundation, findFoundation, requireFoundation} from './cloud-foundry.ts'
import type {Context} from './context.ts'

const LOCAL_APPS_HINT = '--no-cf   # the apps of this machine'

/** The space of a foundation that a command worked on. */
export interface TargetedSpace {
  /** `https://api.example.com` */
  readonly api: string
  readonly organization: string
  readonly name: string
}

/** What every result of a command on apps says: where they are. */
export interface PlatformPlace {
  readonly platform: Platform['kind']
  /** Absent on this machine. */
  readonly space?: TargetedSpace
}

export type RolloutOptions = Pick<CloudFoundryPlatformOptions, 'rollout' | 'onProgress'>

export interface OpenedPlatform {
  readonly platform: Platform
  readonly place: PlatformPlace
}

/**
 * @param isCloudFoundry undefined: Cloud Foundry where there is a session, else this machine.
 * @throws {HoldfastError} CONFIGURATION for a session without a space, and when Cloud Foundry is wanted and there is no session; as `readCfSession`.
 */
export async function openPlatform(
  context: Context,
  isCloudFoundry: boolean | undefined,
  rollout: RolloutOptions = {},
): Promise<OpenedPlatform> {
  const foundation =
    isCloudFoundry === false ? undefined : await (isCloudFoundry === true ? requireFoundation : findFoundation)(context, [LOCAL_APPS_HINT])
  if (foundation === undefined) {
    return {platform: createLocalPlatform(await context.records(), () => new Date()), place: {platform: 'local'}}
  }
  const {createCloudFoundryPlatform} = await import('../apps/cloud-foundry-platform.ts')
  return {platform: createCloudFoundryPlatform({...foundation, ...rollout}), place: {platform: 'cloud-foundry', space: spaceOf(foundation)}}
}

export function spaceOf({controller, organization, space}: Foundation): TargetedSpace {
  return {api: controller.api, organization: organization.name, name: space.name}
}
