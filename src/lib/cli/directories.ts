/** Directories from a YAML file: who they are, and how their people are found. */
import {dirname, resolve} from 'node:path'
import {type Static, Type} from 'typebox'
import type {Directory} from '../accounts/directory.ts'
import type {IdentityProvider} from '../accounts/federation/identity-provider.ts'
import type {TrustRule} from '../accounts/federation/trust-rule.ts'
import {type RightsRule, withRights} from '../accounts/rights.ts'
import {checkInput, shape} from '../collector/api/operation.ts'
import {PrivilegeName} from '../collector/api/shapes.ts'
import {HoldfastError} from '../core/errors.ts'
import {Secret} from '../core/secret.ts'
import {readInputFile} from './input-file.ts'
import {MAX_YAML_BYTES, parseYaml} from './yaml-document.ts'

const LdapShape = shape({
  name: Type.String({pattern: '^(?!internal$)[a-z][a-z0-9-]{0,31}$', description: 'the source of its users'}),
  url: Type.String({pattern: '^ldaps?://[^/?#@\\s]+$'}),
  startTls: Type.Optional(Type.Boolean()),
  insecure: Type.Optional(Type.Boolean({description: 'lets passwords be sent without TLS'})),
  caFile: Type.Optional(Type.String()),
  bindDn: Type.Optional(Type.String()),
  bindPasswordFile: Type.Optional(Type.String({description: 'a file with the password alone'})),
  userBase: Type.String({minLength: 1}),
  userFilter: Type.Optional(Type.String({pattern: '^\\(.*\\{name\\}.*\\)$'})),
  nameAttribute: Type.Optional(Type.String()),
  emailAttribute: Type.Optional(Type.String()),
  memberOfAttribute: Type.Optional(Type.String()),
  groupBase: Type.Optional(Type.String()),
  groupFilter: Type.Optional(Type.String({pattern: '^\\(.*\\{dn\\}.*\\)$'})),
})

const RuleShape = shape({
  name: Type.String({minLength: 1}),
  issuer: Type.String({pattern: '^https?://[^\\s"]+$'}),
  audience: Type.String({minLength: 1}),
  claims: Type.Record(Type.String(), Type.String({minLength: 1})),
  account: Type.String({minLength: 1, description: 'a user, or NAME@service'}),
})

const ProviderShape = shape({
  name: Type.String({pattern: '^(?!internal$)[a-z][a-z0-9-]{0,31}$', description: 'the source of its users'}),
  issuer: Type.String({pattern: '^https?://[^\\s"]+$'}),
  clientId: Type.String({minLength: 1}),
  scopes: Type.Optional(Type.Array(Type.String({pattern: '^[\\x21\\x23-\\x5b\\x5d-\\x7e]+$'}))),
  nameClaim: Type.Optional(Type.String({minLength: 1})),
  emailClaim: Type.Optional(Type.String({minLength: 1})),
  groupsClaim: Type.Optional(Type.String({minLength: 1})),
})

const RightsShape = shape({
  group: Type.String({minLength: 1, description: 'as the directory or provider writes it'}),
  source: Type.Optional(Type.String({minLength: 1, description: 'the directory or provider that it counts for; all when absent'})),
  privileges: Type.Optional(Type.Array(PrivilegeName, {uniqueItems: true})),
  administrator: Type.Optional(Type.Boolean()),
})

const DirectoriesShape = shape({
  ldap: Type.Optional(Type.Array(LdapShape)),
  oidc: Type.Optional(Type.Array(ProviderShape)),
  federation: Type.Optional(Type.Array(RuleShape)),
  rights: Type.Optional(Type.Array(RightsShape)),
})

function readRights(rights: readonly Static<typeof RightsShape>[]): readonly RightsRule[] {
  return rights.map(({privileges = [], administrator = false, ...rule}) => ({...rule, privileges, isAdministrator: administrator}))
}

/** OpenID Connect Core §5.1, §5.4; groups are nobody's standard, and called so by most. */
const CLAIMS = {nameClaim: 'preferred_username', emailClaim: 'email', groupsClaim: 'groups'}
const STANDARD_SCOPES = ['openid', 'profile', 'email']

export interface ForeignAccounts {
  readonly directories: readonly Directory[]
  readonly rules: readonly TrustRule[]
  readonly providers: readonly IdentityProvider[]
  /** What groups of directories and providers give. */
  readonly rights: readonly RightsRule[]
}

/**
 * Reads the file of `--directories`.
 * @throws {HoldfastError} CONFIGURATION when a file cannot be read, or passwords would be sent in the clear; USAGE naming the property that is wrong.
 */
export async function readDirectories(file: string, signal: AbortSignal): Promise<ForeignAccounts> {
  const [{createLdapDirectory}, {checkRule}, {checkProvider}] = await Promise.all([
    import('../accounts/ldap/ldap-directory.ts'),
    import('../accounts/federation/trust-rule.ts'),
    import('../accounts/federation/identity-provider.ts'),
  ])
  const document = await parseYaml((await readInputFile(file, signal, MAX_YAML_BYTES)).toString('utf8'), file)
  const {ldap = [], oidc = [], federation = [], rights = []} = checkInput({id: `read ${file}`, input: DirectoriesShape}, document)
  const read = async (path: string | undefined): Promise<string | undefined> => {
    return path === undefined ? undefined : (await readInputFile(resolve(dirname(file), path), signal)).toString('utf8')
  }
  const directories = await Promise.all(
    ldap.map(async ({caFile, bindPasswordFile, insecure = false, ...settings}) => {
      const {name, url, startTls = false} = settings
      if (url.startsWith('ldap:') && !startTls && !insecure) {
        throw new HoldfastError('CONFIGURATION', `cannot use directory "${name}": passwords would be sent to "${url}" without TLS`, {
          hints: ['startTls: true', 'url: ldaps://…', 'insecure: true   # if that is what you want'],
        })
      }
      if ((settings.bindDn === undefined) !== (bindPasswordFile === undefined)) {
        throw new HoldfastError('CONFIGURATION', `cannot use directory "${name}": bindDn and bindPasswordFile go together`)
      }
      const password = (await read(bindPasswordFile))?.replace(/\r?\n$/, '')
      return createLdapDirectory({
        userFilter: '(uid={name})',
        nameAttribute: 'uid',
        emailAttribute: 'mail',
        ...settings,
        startTls,
        ca: await read(caFile),
        bindPassword: password === undefined ? undefined : new Secret(password),
      })
    }),
  )
  const providers = oidc.map(({scopes = [], ...provider}) =>
    checkProvider({...CLAIMS, ...provider, scopes: [...new Set([...STANDARD_SCOPES, ...scopes])]}),
  )
  const sources = [...directories, ...providers].map(({name}) => name)
  const twice = sources.find((name, index) => sources.indexOf(name) !== index)
  if (twice !== undefined) throw new HoldfastError('CONFIGURATION', `cannot use directory "${twice}": two have that name`)
  const unknown = rights.find(({source}) => source !== undefined && !sources.includes(source))
  if (unknown !== undefined) {
    throw new HoldfastError(
      'CONFIGURATION',
      `cannot use the rights of group "${unknown.group}": no directory is called "${unknown.source}"`,
    )
  }
  return {
    directories: directories.map((directory) => withRights(directory, readRights(rights))),
    rules: federation.map(checkRule),
    providers,
    rights: readRights(rights),
  }
}
