/** The user's choice to have an app run from the cache: a variable of the app, as Cloud Foundry's proposal of 2015 has it. */
import {HoldfastError} from '../core/errors.ts'
import {shellCommand} from '../core/shell.ts'

export const CACHE_VARIABLE = 'DIEGO_DOCKER_CACHE'

/** Exactly the text `true`: neither `True` nor `1` opts in (the stager's own test). */
export function isOptIn(value: string | undefined): boolean {
  return value === 'true'
}

/** @throws {HoldfastError} USAGE for every other variable: those are none of our business, and would be sent through us for nothing. */
export function assertCacheVariable(name: string, app: string): void {
  if (name === CACHE_VARIABLE) return
  throw new HoldfastError('USAGE', `cannot change "${name}" of app "${app}": Holdfast looks after ${CACHE_VARIABLE} alone`, {
    hints: [shellCommand`cf set-env ${app} ${name} VALUE`, shellCommand`holdfast set-env ${app} ${CACHE_VARIABLE} true`],
  })
}
