/** The user's choice to have an app run from the cache: a variable of the app, as Cloud Foundry's proposal of 2015 has it. */
import {HoldfastError, hasCode} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'
import type {Platform, PlatformApp} from './platform.ts'

export const CACHE_VARIABLE = 'DIEGO_DOCKER_CACHE'

/** Exactly the text `true`: neither `True` nor `1` opts in (the stager's own test). */
export function isOptIn(value: string | undefined): boolean {
  return value === 'true'
}

/**
 * Reads the user's choice, and makes what lists know of it agree: other programs change the variable alone.
 * @throws {HoldfastError} DENIED to users who may not see the variables of apps.
 */
export async function readOptIn(platform: Platform, app: PlatformApp): Promise<boolean> {
  const hasOptedIn = isOptIn(await platform.readVariable(app, CACHE_VARIABLE))
  await markOptIn(platform, app, hasOptedIn)
  return hasOptedIn
}

/** Changes the user's choice; undefined takes the variable away. */
export async function changeOptIn(platform: Platform, app: PlatformApp, value: string | undefined): Promise<boolean> {
  const hasOptedIn = isOptIn(value)
  await platform.setVariable(app, CACHE_VARIABLE, value)
  await markOptIn(platform, app, hasOptedIn)
  return hasOptedIn
}

/** Users who may change the variables of an app need not be allowed to label it. */
export async function markOptIn(platform: Platform, app: PlatformApp, hasOptedIn: boolean): Promise<void> {
  if (app.hasOptedIn === hasOptedIn) return
  try {
    await platform.markOptIn(app, hasOptedIn)
  } catch (error) {
    if (!hasCode(error, 'DENIED')) throw error
  }
}

/** @throws {HoldfastError} USAGE for every other variable: those are none of our business, and would be sent through us for nothing. */
export function assertCacheVariable(name: string, app: string): void {
  if (name === CACHE_VARIABLE) return
  throw new HoldfastError('USAGE', `cannot change "${name}" of app "${app}": Holdfast looks after ${CACHE_VARIABLE} alone`, {
    hints: [shellCommand`cf set-env ${app} ${name} VALUE`, shellCommand`holdfast set-env ${app} ${CACHE_VARIABLE} true`],
  })
}
