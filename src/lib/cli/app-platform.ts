/** Which platform the apps are on. */
import {createLocalPlatform} from '../apps/local-platform.ts'
import type {Platform} from '../apps/platform.ts'
import type {Context} from './context.ts'

/** @param isCloudFoundry undefined: Cloud Foundry where a space is targeted. */
export async function openPlatform(context: Context, _isCloudFoundry: boolean | undefined): Promise<Platform> {
  return createLocalPlatform(await context.records(), () => new Date())
}
