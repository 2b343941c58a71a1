/** The port to whoever else knows people: an account there is one here, with the groups that it has there. Implementer: `ldap/`. */
import type {Secret} from '../core/secret.ts'
import type {DirectoryRights} from './rights.ts'

export interface DirectoryUser {
  /** As the directory writes it, whatever case was typed. */
  readonly name: string
  readonly email?: string | undefined
  /** Names of groups. */
  readonly groups: readonly string[]
  /** What the groups give here; absent when nothing was decided. */
  readonly rights?: DirectoryRights | undefined
}

export interface Directory {
  /** The source of its users. */
  readonly name: string
  /**
   * The user of that name, if the password is right; undefined otherwise.
   * @throws {HoldfastError} REGISTRY_UNAVAILABLE when the directory does not answer, or refuses to be searched.
   */
  verify(name: string, password: Secret): Promise<DirectoryUser | undefined>
}
