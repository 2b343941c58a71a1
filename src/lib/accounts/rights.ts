/** What groups of a directory or an identity provider give here: privileges, and to be an administrator. */
import type {Directory, DirectoryUser} from './directory.ts'
import type {Federation} from './federation/identity-tokens.ts'

export interface RightsRule {
  /** As the directory writes it. */
  readonly group: string
  /** The directory or provider that it counts for; all of them when absent. */
  readonly source?: string | undefined
  readonly privileges: readonly string[]
  readonly isAdministrator: boolean
}

/** What a directory decides about one of its people; what it does not decide stays as it is here. */
export interface DirectoryRights {
  /** Privileges that rules name, and whether the user has them. */
  readonly privileges: ReadonlyMap<string, boolean>
  /** Absent when no rule is about it. */
  readonly isAdministrator?: boolean
}

/** A directory whose people have the rights of their groups. */
export function withRights(directory: Directory, rules: readonly RightsRule[]): Directory {
  return {
    ...directory,
    async verify(name, password) {
      const found = await directory.verify(name, password)
      return found === undefined ? undefined : withRightsOf(found, directory.name, rules)
    },
  }
}

/** The same for the people of identity providers. */
export function federationWithRights(federation: Federation, rules: readonly RightsRule[]): Federation {
  return {
    ...federation,
    async identify(token) {
      const identity = await federation.identify(token)
      return identity?.kind === 'person' ? {...identity, person: withRightsOf(identity.person, identity.source, rules)} : identity
    },
  }
}

function withRightsOf<Person extends DirectoryUser>(person: Person, source: string, rules: readonly RightsRule[]): Person {
  return {...person, rights: rightsOf(person.groups, source, rules)}
}

/** The rights of a member of these groups. */
export function rightsOf(groups: readonly string[], source: string, rules: readonly RightsRule[]): DirectoryRights {
  const counting = rules.filter((rule) => rule.source === undefined || rule.source === source)
  const privileges = new Map<string, boolean>()
  let isAdministrator: boolean | undefined
  for (const rule of counting) {
    const isMember = groups.includes(rule.group)
    for (const privilege of rule.privileges) privileges.set(privilege, privileges.get(privilege) === true || isMember)
    if (rule.isAdministrator) isAdministrator = isAdministrator === true || isMember
  }
  return {privileges, ...(isAdministrator === undefined ? {} : {isAdministrator})}
}
