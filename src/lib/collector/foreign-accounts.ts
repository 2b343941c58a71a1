/** Who is known elsewhere and comes here: by a directory that knows his password, or by an identity token of his provider or of his job's CI system. */
import type {Directory, DirectoryUser} from '../accounts/directory.ts'
import type {Federation} from '../accounts/federation/identity-tokens.ts'
import type {DirectoryRights} from '../accounts/rights.ts'
import {hasCode} from '../core/errors.ts'
import {excerpt} from '../core/redaction.ts'
import type {Secret} from '../core/secret.ts'
import {isGroupName, isUserName} from './api/shapes.ts'
import {PRIVILEGE_PREFIX, type User} from './objects.ts'
import type {CollectorStore} from './store.ts'
import {type Account, serviceOfAccount} from './subjects.ts'

const MAX_NAME_CHARACTERS = 100

/** The account of whoever one of these directories lets in by that password; the first one that knows him is believed. */
export async function admitByDirectories(
  store: CollectorStore,
  directories: readonly Directory[],
  name: string,
  password: Secret,
): Promise<Account | undefined> {
  for (const directory of directories) {
    const found = await directory.verify(name, password)
    if (found !== undefined && isUserName(found.name)) return await admit(store, found, directory.name)
  }
  return undefined
}

interface Admission {
  readonly account: Account | undefined
  /** False for a job. */
  readonly isPerson: boolean
  /** Why there is no account, for the operator alone. */
  readonly reason?: string | undefined
}

/**
 * The account of whoever an identity token stands for.
 * @throws {HoldfastError} REGISTRY_UNAVAILABLE when the issuer's keys cannot be had.
 */
export async function admitByIdentityToken(store: CollectorStore, federation: Federation, token: Secret): Promise<Admission> {
  const identity = await federation.identify(token)
  if (identity.kind === 'refused') return {account: undefined, isPerson: false, reason: identity.reason}
  if (identity.kind === 'account') {
    const account = await accountNamed(store, identity.name)
    return {account, isPerson: false, reason: account === undefined ? `there is no account "${identity.name}"` : undefined}
  }
  const {person, source} = identity
  const name = excerpt(person.name, MAX_NAME_CHARACTERS)
  if (!isUserName(person.name)) return {account: undefined, isPerson: true, reason: `"${name}" cannot be the name of a user`}
  const account = await admit(store, person, source, person.subject)
  return {
    account,
    isPerson: true,
    reason: account === undefined ? `"${name}" is disabled, retired, or of another source or subject` : undefined,
  }
}

/** Somebody who is let in is a user here from then on, with the groups that he has there. */
async function admit(store: CollectorStore, found: DirectoryUser, source: string, subject?: string): Promise<Account | undefined> {
  const user = (await store.findUser(found.name)) ?? (await addForeignUser(store, found, source))
  // A directory says nothing of users who are not its own, and nobody gets rights back by it that were taken here.
  if (user === undefined || user.source !== source || user.isDisabled) return undefined
  if (subject !== undefined && !(await store.bindSubject(user.id, subject))) return undefined
  await store.replaceGroups(user.id, found.groups.filter(isGroupName))
  if (found.rights !== undefined) await applyRights(store, user, found.rights)
  const fresh = await store.findUser(user.id)
  return fresh === undefined ? undefined : {kind: 'user', user: fresh}
}

/** Gives and takes what the groups of a directory decide; the rest is an administrator's to give. */
async function applyRights(store: CollectorStore, user: User, {privileges, isAdministrator}: DirectoryRights): Promise<void> {
  for (const [privilege, isGranted] of privileges) {
    if (user.privileges.some((own) => own === privilege) === isGranted) continue
    const group = await store.findGroup(`${PRIVILEGE_PREFIX}${privilege}`)
    if (group === undefined) continue
    if (isGranted) await store.addMember(group.id, user.id)
    else await store.removeMember(group.id, user.id)
  }
  if (isAdministrator !== undefined && isAdministrator !== user.isAdministrator) await store.updateUser(user.id, {isAdministrator})
}

/** Undefined when the name was somebody's, or is another one's but for its case: it stands for that one. */
async function addForeignUser(store: CollectorStore, {name, email}: DirectoryUser, source: string): Promise<User | undefined> {
  try {
    return await store.addUser({name, email, source})
  } catch (error) {
    if (hasCode(error, 'CONFLICT')) return await store.findUser(name)
    throw error
  }
}

async function accountNamed(store: CollectorStore, name: string): Promise<Account | undefined> {
  const serviceName = serviceOfAccount(name)
  if (serviceName === undefined) {
    const user = await store.findUser(name)
    return user === undefined ? undefined : {kind: 'user', user}
  }
  const service = await store.findService(serviceName)
  return service === undefined ? undefined : {kind: 'service', service}
}
