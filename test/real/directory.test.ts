/** People of a genuine LDAP directory at the collector: let in by their own passwords, with their own groups, and nobody else. */
import assert from 'node:assert/strict'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {createLdapDirectory, type LdapSettings} from '../../src/lib/accounts/ldap/ldap-directory.ts'
import {hasCode} from '../../src/lib/core/errors.ts'
import {Secret} from '../../src/lib/core/secret.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type CertificateAuthority, createCertificateAuthority} from '../support/certificates.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {needs} from '../support/required-program.ts'
import {command, type ServedCollector, serveCollector} from '../support/served-collector.ts'
import {type Slapd, startSlapd} from '../support/slapd.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const SUFFIX = 'dc=example,dc=com'
const ROOT_DN = `cn=admin,${SUFFIX}`
const ROOT_PASSWORD = 'root-password'
const PASSWORD = 'password of dora'

const JOSE_DN = `cn=José (Ops) García,ou=people,${SUFFIX}`
const base64 = (text: string): string => Buffer.from(text).toString('base64')

const ENTRIES = `dn: ${SUFFIX}
objectClass: domain
dc: example

dn: ou=people,${SUFFIX}
objectClass: organizationalUnit
ou: people

dn: ou=groups,${SUFFIX}
objectClass: organizationalUnit
ou: groups

dn: uid=dora,ou=people,${SUFFIX}
objectClass: inetOrgPerson
uid: dora
cn: Dora
sn: D
mail: dora@example.com
userPassword: ${PASSWORD}

dn:: ${base64(JOSE_DN)}
objectClass: inetOrgPerson
uid: jose
cn:: ${base64('José (Ops) García')}
sn: G
userPassword: ${PASSWORD}

dn: uid=root,ou=people,${SUFFIX}
objectClass: inetOrgPerson
uid: root
cn: Root
sn: R
userPassword: ${PASSWORD}

dn: cn=team,ou=groups,${SUFFIX}
objectClass: groupOfNames
cn: team
member: uid=dora,ou=people,${SUFFIX}

dn:: ${base64(`cn=Équipe\\, Ops,ou=groups,${SUFFIX}`)}
objectClass: groupOfNames
cn:: ${base64('Équipe, Ops')}
member:: ${base64(JOSE_DN)}

dn: cn=DockerRegistriesManager,ou=groups,${SUFFIX}
objectClass: groupOfNames
cn: DockerRegistriesManager
member: uid=dora,ou=people,${SUFFIX}

dn: cn=others,ou=groups,${SUFFIX}
objectClass: groupOfNames
cn: others
member: uid=root,ou=people,${SUFFIX}
`

describe('a directory', function () {
  this.timeout(180_000)
  needs('slapd', 'slapadd', 'ldapwhoami', 'openssl')
  const afterwards = cleanUpAfterwards()
  let directory: string
  let authority: CertificateAuthority
  let slapd: Slapd
  let settings: LdapSettings

  before(async () => {
    const temporary = await createTemporaryDirectory('directory')
    afterwards(temporary.remove)
    directory = temporary.path
    authority = await createCertificateAuthority(join(directory, 'ca'))
    const certificate = await authority.issue('ldap', {names: 'IP:127.0.0.1'})
    slapd = await startSlapd({
      directory,
      suffix: SUFFIX,
      rootDn: ROOT_DN,
      rootPassword: ROOT_PASSWORD,
      entries: ENTRIES,
      tls: {...certificate, caFile: authority.caFile},
    })
    afterwards(slapd.stop)
    settings = {
      name: 'corp',
      url: slapd.url,
      startTls: false,
      bindDn: ROOT_DN,
      bindPassword: new Secret(ROOT_PASSWORD),
      userBase: `ou=people,${SUFFIX}`,
      userFilter: '(uid={name})',
      nameAttribute: 'uid',
      emailAttribute: 'mail',
      groupBase: `ou=groups,${SUFFIX}`,
      groupFilter: '(member={dn})',
    }
  })

  const verify = (name: string, password = PASSWORD, change: Partial<LdapSettings> = {}) =>
    createLdapDirectory({...settings, ...change}).verify(name, new Secret(password))

  it('lets in who knows the password, by the name that it has itself, with e-mail address and groups', async () => {
    const dora = {name: 'dora', email: 'dora@example.com', groups: ['team', 'DockerRegistriesManager']}
    assert.deepEqual(await verify('dora'), dora)
    assert.deepEqual(await verify('DORA'), dora)
  })

  it('finds the groups of a person whose distinguished name is not ASCII, and writes theirs as they are', async () => {
    assert.deepEqual((await verify('jose'))?.groups, ['Équipe, Ops'])
  })

  it('lets in nobody by a wrong or an empty password, an unknown name, or a pattern', async () => {
    assert.equal(await verify('dora', 'wrong'), undefined)
    assert.equal(await verify('dora', ''), undefined)
    for (const name of ['nobody', '', '*', 'd*', 'dora)(uid=*', '*)(|(uid=*', 'dora\\2a', 'dora\0', ')(cn='])
      assert.equal(await verify(name), undefined, name)
  })

  it('is asked over TLS, by LDAPS and by StartTLS, of an authority that is known', async () => {
    const {readFile} = await import('node:fs/promises')
    const ca = await readFile(authority.caFile, 'utf8')
    assert.equal((await verify('dora', PASSWORD, {url: slapd.secureUrl, ca}))?.name, 'dora')
    assert.equal((await verify('dora', PASSWORD, {startTls: true, ca}))?.name, 'dora')
    for (const change of [{url: slapd.secureUrl}, {startTls: true}]) {
      await assert.rejects(verify('dora', PASSWORD, change), (error) => hasCode(error, 'REGISTRY_UNAVAILABLE'))
    }
  })

  it('is an error, and no wrong password, when it does not answer or does not let us search; nothing secret is in it', async () => {
    for (const change of [{url: 'ldap://127.0.0.1:1'}, {bindPassword: new Secret('canary')}, {userBase: 'ou=nowhere,dc=example,dc=org'}]) {
      await assert.rejects(verify('dora', PASSWORD, change), (error) => {
        assert.ok(
          hasCode(error, 'REGISTRY_UNAVAILABLE') && !String(error).includes('canary') && !String(error).includes(PASSWORD),
          String(error),
        )
        return true
      })
    }
  })

  describe('of a collector', () => {
    let owner: Holdfast
    let collector: ServedCollector

    before(async () => {
      owner = await createHoldfast(directory)
      await writeFile(join(directory, 'bind-password'), `${ROOT_PASSWORD}\n`)
      const file = join(directory, 'directories.yaml')
      const ldap = {
        name: 'corp',
        url: slapd.url,
        startTls: true,
        caFile: authority.caFile,
        bindDn: ROOT_DN,
        bindPasswordFile: 'bind-password',
        userBase: settings.userBase,
        groupBase: settings.groupBase,
        groupFilter: settings.groupFilter,
      }
      const rights = [{group: 'Équipe, Ops', source: 'corp', privileges: ['Manager', 'Pusher'], administrator: true}]
      await writeFile(file, JSON.stringify({ldap: [ldap], rights}))
      await command(owner, ['user', 'add', 'root', '--password-stdin', '--administrator'], 'password of the collector')
      await command(owner, ['collector', 'settings', '--policy', 'public'])
      collector = await serveCollector(owner, ['--directories', file])
      afterwards(collector.stop)
      await command(owner, ['group', 'add', 'team'])
      await command(owner, ['registry', 'manage', 'embedded', '--publication', 'team', '--no-restricted'])
    })

    const token = async (name: string, password = PASSWORD) => {
      const headers = {authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`}
      const response = await fetch(`${collector.url}/token?service=embedded&scope=repository:users/${name}/x:pull,push`, {headers})
      const body = (await response.json()) as {token?: string}
      const claims = JSON.parse(Buffer.from(body.token?.split('.')[1] ?? 'e30', 'base64url').toString())
      return {status: response.status, subject: claims.sub, access: claims.access}
    }

    it('makes its people users, with its groups, at their first login; privileges are not its to give without a rule', async () => {
      assert.deepEqual(await token('dora'), {
        status: 200,
        subject: 'dora',
        access: [{type: 'repository', name: 'users/dora/x', actions: ['pull', 'push']}],
      })
      assert.partialDeepStrictEqual(await command(owner, ['user', 'show', 'dora']), {
        source: 'corp',
        email: 'dora@example.com',
        groups: ['team'],
        privileges: [],
      })
      assert.equal((await token('dora', 'wrong')).status, 401)
      assert.equal((await token('nobody')).status, 401)
    })

    it('gives the members of its groups the privileges that the file says, at each login, and may make them administrators', async () => {
      const jose = () => command(owner, ['user', 'show', 'jose'])
      const logins = await Promise.all(Array.from({length: 12}, () => token('jose')))
      assert.deepEqual([...new Set(logins.map(({status}) => status))], [200])
      assert.partialDeepStrictEqual(await jose(), {privileges: ['Manager', 'Pusher'], isAdministrator: true, groups: ['Équipe, Ops']})
    })

    it('stands for nobody whose account is the collector’s own, and gives nothing back to who was disabled', async () => {
      assert.equal((await token('root')).status, 401)
      assert.equal((await token('root', 'password of the collector')).status, 200)
      await command(owner, ['user', 'update', 'dora', '--disabled'])
      assert.equal((await token('dora')).status, 401)
      await command(owner, ['user', 'update', 'dora', '--no-disabled'])
      assert.equal((await token('dora')).status, 200)
      const password = await owner.json(['user', 'update', 'dora', '--password-stdin'], {input: 'another password'})
      assert.equal(password.envelope.error?.code, 'USAGE')
    })

    it('that is down is no reason to refuse a password: it is told apart', async () => {
      await slapd.stop()
      assert.equal((await token('other-person')).status, 503)
      assert.equal((await token('root', 'password of the collector')).status, 200)
    })

    it('is refused with rights for a directory that the file does not have', async () => {
      const file = join(directory, 'rights.yaml')
      await writeFile(file, 'rights: [{group: ops, source: corp, privileges: [Puller]}]')
      const {envelope, exitCode} = await owner.json(['serve', '--authenticate', '--listen', '127.0.0.1:0', '--directories', file])
      assert.deepEqual([envelope.error?.code, exitCode], ['CONFIGURATION', 10])
      await writeFile(file, 'rights: [{group: ops, privileges: [Owner]}]')
      assert.equal((await owner.json(['serve', '--authenticate', '--listen', '127.0.0.1:0', '--directories', file])).exitCode, 2)
    })

    it('is refused where passwords would be sent without TLS', async () => {
      const file = join(directory, 'insecure.yaml')
      await writeFile(file, `ldap: [{name: corp, url: "ldap://127.0.0.1:1", userBase: "${SUFFIX}"}]`)
      const {envelope, exitCode} = await owner.json(['serve', '--authenticate', '--listen', '127.0.0.1:0', '--directories', file])
      assert.deepEqual([envelope.error?.code, exitCode], ['CONFIGURATION', 10])
    })
  })
})
