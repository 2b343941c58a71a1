/**
 * People of an LDAP directory, Active Directory among them: found by a search, proven by a bind as what was found (RFC 4511, RFC 4513).
 * The one home of ldapts; it is loaded when somebody is first asked for.
 */
import type {Client, Entry} from 'ldapts'
import {HoldfastError} from '../../core/errors.ts'
import type {Secret} from '../../core/secret.ts'
import type {Directory, DirectoryUser} from '../directory.ts'
import {firstCommonName} from './distinguished-name.ts'
import {escapeFilterValue} from './filter.ts'

const TIMEOUT_MS = 5_000
/** More than one is a mistake in the filter: nobody is let in by chance. */
const MAX_MATCHES = 2
const MAX_GROUPS = 1_000

export interface LdapSettings {
  /** The source of its users. */
  readonly name: string
  /** `ldaps://host[:port]` or `ldap://host[:port]`. */
  readonly url: string
  /** Goes over to TLS before anything is sent; for `ldap://`. */
  readonly startTls: boolean
  /** PEM; the system's authorities when absent. */
  readonly ca?: string | undefined
  /** Who searches; nobody when absent. */
  readonly bindDn?: string | undefined
  readonly bindPassword?: Secret | undefined
  readonly userBase: string
  /** `{name}` stands for what was typed: `(uid={name})`, `(sAMAccountName={name})`. */
  readonly userFilter: string
  /** Holds the name: `uid`, `sAMAccountName`. */
  readonly nameAttribute: string
  readonly emailAttribute: string
  /** Of the user; holds DNs of groups: `memberOf`. Absent: groups are searched for. */
  readonly memberOfAttribute?: string | undefined
  readonly groupBase?: string | undefined
  /** `{dn}` stands for the user: `(member={dn})`. */
  readonly groupFilter?: string | undefined
}

export function createLdapDirectory(settings: LdapSettings): Directory {
  const {name, url, userBase, userFilter, nameAttribute, emailAttribute, memberOfAttribute} = settings
  return {
    name,
    verify: (typed, password) =>
      withClient(settings, async (client) => {
        // An empty password is nobody's bind, and would succeed (RFC 4513 §5.1.2).
        if (typed === '' || password.reveal() === '') return undefined
        const attributes = [nameAttribute, emailAttribute, ...(memberOfAttribute === undefined ? [] : [memberOfAttribute])]
        const {searchEntries} = await client.search(userBase, {
          scope: 'sub',
          filter: userFilter.replaceAll('{name}', () => escapeFilterValue(typed)),
          attributes,
          sizeLimit: MAX_MATCHES,
        })
        const [entry] = searchEntries
        if (entry === undefined || searchEntries.length !== 1) return undefined
        if (!(await isPassword(settings, entry.dn, password))) return undefined
        const groups =
          memberOfAttribute === undefined
            ? await searchGroups(client, entry.dn, settings)
            : valuesOf(entry, memberOfAttribute).flatMap((dn) => firstCommonName(dn) ?? [])
        const [canonical] = valuesOf(entry, nameAttribute)
        const [email] = valuesOf(entry, emailAttribute)
        return canonical === undefined ? undefined : ({name: canonical, email, groups} satisfies DirectoryUser)
      }).catch((cause: unknown) => {
        if (cause instanceof HoldfastError) throw cause
        const reason = cause instanceof Error ? cause.message : String(cause)
        throw new HoldfastError('REGISTRY_UNAVAILABLE', `cannot ask directory "${name}" at "${url}": ${reason}`, {
          hints: [`ldapsearch -H ${url} -x -b "${userBase}" -s base`],
          details: {directory: name},
        })
      }),
  }
}

async function searchGroups(client: Client, dn: string, {groupBase, groupFilter}: LdapSettings): Promise<readonly string[]> {
  if (groupBase === undefined || groupFilter === undefined) return []
  const filter = groupFilter.replaceAll('{dn}', () => escapeFilterValue(dn))
  const {searchEntries} = await client.search(groupBase, {scope: 'sub', filter, attributes: ['cn'], sizeLimit: MAX_GROUPS})
  return searchEntries.flatMap((entry) => valuesOf(entry, 'cn').slice(0, 1))
}

/** By a connection of its own: the one that searches stays who it is. */
async function isPassword(settings: LdapSettings, dn: string, password: Secret): Promise<boolean> {
  const {InvalidCredentialsError} = await import('ldapts')
  return await withClient({...settings, bindDn: dn, bindPassword: password}, async () => true).catch((error: unknown) => {
    if (error instanceof InvalidCredentialsError) return false
    throw error
  })
}

async function withClient<T>(settings: LdapSettings, use: (client: Client) => Promise<T>): Promise<T> {
  const {Client: LdapClient} = await import('ldapts')
  const {url, startTls, ca, bindDn, bindPassword} = settings
  const tlsOptions = {minVersion: 'TLSv1.2' as const, ...(ca === undefined ? {} : {ca})}
  const isSecure = url.startsWith('ldaps:')
  const client = new LdapClient({url, timeout: TIMEOUT_MS, connectTimeout: TIMEOUT_MS, ...(isSecure ? {tlsOptions} : {})})
  try {
    if (startTls && !isSecure) await client.startTLS({...tlsOptions, host: new URL(url).hostname})
    if (bindDn !== undefined) await client.bind(bindDn, bindPassword?.reveal() ?? '')
    return await use(client)
  } finally {
    await client.unbind().catch(() => {})
  }
}

function valuesOf(entry: Entry, attribute: string): readonly string[] {
  const key = Object.keys(entry).find((name) => name.toLowerCase() === attribute.toLowerCase())
  const value = key === undefined ? undefined : entry[key]
  const values = Array.isArray(value) ? value : value === undefined ? [] : [value]
  return values.map(String).filter((text) => text !== '')
}
