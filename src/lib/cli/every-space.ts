/** The platforms of commands that work on every app of a user. */
import type {Platform} from '../apps/platform.ts'
import type {RolloutOptions} from './app-platform.ts'
import {findFoundation} from './cloud-foundry.ts'
import type {Context} from './context.ts'

/** The spaces of the foundation that the user sees, the one of `platform` first; `platform` alone where it has none. */
export async function everySpace(context: Context, platform: Platform, rollout: RolloutOptions = {}): Promise<readonly Platform[]> {
  const foundation = platform.kind === 'cloud-foundry' ? await findFoundation(context) : undefined
  if (foundation === undefined) return [platform]
  const [{listSpaces}, {createCloudFoundryPlatform}] = await Promise.all([
    import('../cloud-foundry/targets.ts'),
    import('../apps/cloud-foundry-platform.ts'),
  ])
  const others = (await listSpaces(foundation.controller)).filter(({guid}) => guid !== foundation.space.guid)
  return [
    platform,
    ...others.map(({organization, ...space}) => createCloudFoundryPlatform({...foundation, ...rollout, space, organization})),
  ]
}
