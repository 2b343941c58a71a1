/** Which platform the apps are on. */
import type {CloudFoundryPlatformOptions} from '../apps/cloud-foundry-platform.ts'
import {createLocalPlatform} from '../apps/local-platform.ts'
import type {Platform} from '../apps/platform.ts'
import {findFoundation, requireFoundation} from './cloud-foundry.ts'
import type {Context} from './context.ts'

/**
 * @param isCloudFoundry undefined: Cloud Foundry where a space is targeted, else this machine.
 * @throws {HoldfastError} CONFIGURATION when Cloud Foundry is wanted and no space is targeted.
 */
export async function openPlatform(
  context: Context,
  isCloudFoundry: boolean | undefined,
  rollout: Pick<CloudFoundryPlatformOptions, 'rollout' | 'onProgress'> = {},
): Promise<Platform> {
  const foundation = isCloudFoundry === false ? undefined : await (isCloudFoundry === true ? requireFoundation : findFoundation)(context)
  if (foundation === undefined) return createLocalPlatform(await context.records(), () => new Date())
  const {createCloudFoundryPlatform} = await import('../apps/cloud-foundry-platform.ts')
  return createCloudFoundryPlatform({...foundation, ...rollout})
}
