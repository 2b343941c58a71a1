/**
 * The user name of a service at a collector's token endpoint.
 *
 * A service logs in with a secret of its own instead of a person's password, by Basic as everybody, so its user name alone must tell it from a user of the same
 * name. It is `NAME@service`: the form `<service>@<node>` that token endpoints of OpenSVC collectors take apart at the `@`, with the word `service` where those
 * want the node whose shared identifier they accept as password. A name with an `@`, such as `web@node7`, is used as it is, so that they can be logged in to as
 * well, with that identifier as the secret. No user is mistaken for a service: the domain of a user's e-mail address has a dot.
 */
import {HoldfastError} from '../core/errors.ts'

/** Stands for the service's account where a user name is asked for, as in `docker login %as_service%` of OpenSVC. */
const SERVICE_PLACEHOLDER = '%as_service%'
/** What stands for the node in the account of a service with a secret of its own. */
const OWN_SECRET = 'service'
const SERVICE_NAME = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}(?:@[A-Za-z0-9][A-Za-z0-9._-]{0,127})?$/

/**
 * The account of the service of that name.
 * @throws {HoldfastError} USAGE when the name is none.
 */
export function serviceAccount(name: string): string {
  if (!SERVICE_NAME.test(name)) {
    throw new HoldfastError(
      'USAGE',
      `cannot log in as service "${name.slice(0, 300)}": a service is NAME or NAME@NODE, of letters, digits, and . _ - /`,
    )
  }
  return name.includes('@') ? name : `${name}@${OWN_SECRET}`
}

/**
 * A user name with `%as_service%` expanded to the account of a service; any other user name is answered unchanged.
 * @throws {HoldfastError} INPUT_REQUIRED when it has to be expanded and no service is named; USAGE.
 */
export function expandServiceAccount(username: string, service: string | undefined): string {
  if (!username.includes(SERVICE_PLACEHOLDER)) return username
  if (service === undefined || service === '') {
    throw new HoldfastError('INPUT_REQUIRED', `cannot expand "${SERVICE_PLACEHOLDER}": no service is named`, {
      hints: ['holdfast login --service NAME', 'export HOLDFAST_SERVICE=NAME'],
    })
  }
  return username.replaceAll(SERVICE_PLACEHOLDER, serviceAccount(service))
}
