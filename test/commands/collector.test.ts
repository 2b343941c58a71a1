/** The commands of the collector's objects, against the database of this machine; their results are held against the schemas. */
import assert from 'node:assert/strict'
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {Ajv2020} from 'ajv/dist/2020.js'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const SCHEMAS = join(import.meta.dirname, '../../schemas')
const PASSWORD = 'correct horse'

describe('the commands of the collector', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  const ajv = new Ajv2020({strict: true, allErrors: true})
  let directory: string
  let holdfast: Holdfast
  let count = 0

  before(async () => {
    for (const file of readdirSync(SCHEMAS)) ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')))
    const temporary = await createTemporaryDirectory('collector-commands')
    afterwards(temporary.remove)
    directory = temporary.path
  })

  beforeEach(async () => {
    holdfast = await createHoldfast(join(directory, String(count++)))
  })

  /** Runs a command of two words and answers its result. */
  async function succeed(command: string, args: readonly string[] = [], input?: string): Promise<unknown> {
    const {exitCode, stdout, stderr, envelope} = await holdfast.json([...command.split(' '), ...args], input === undefined ? {} : {input})
    assert.equal(exitCode, 0, stdout + stderr)
    assert.equal(stderr, '')
    assert.equal(envelope.command, command)
    const schema = `${command.replace(' ', '-')}.schema.json`
    assert.ok(ajv.validate(schema, envelope.result), `${ajv.errorsText()}: ${stdout}`)
    return envelope.result
  }

  async function fail(code: string, exitCode: number, args: readonly string[], input?: string): Promise<string> {
    const answer = await holdfast.json(args, input === undefined ? {} : {input})
    assert.deepEqual([answer.envelope.error?.code, answer.exitCode], [code, exitCode], answer.stdout)
    return answer.stdout
  }

  it('add, list, show, change and remove users', async () => {
    await succeed('group add', ['ops'])
    const ann = await succeed('user add', ['ann', '--password-stdin', '--group', 'ops', '--privilege', 'Puller,Pusher'], PASSWORD)
    assert.partialDeepStrictEqual(ann, {name: 'ann', groups: ['ops'], privileges: ['Pusher', 'Puller'], isDisabled: false})
    assert.deepEqual(await succeed('user show', ['ann']), ann)
    assert.deepEqual(await succeed('user list'), {users: [ann]})
    assert.partialDeepStrictEqual(await succeed('user update', ['ann', '--disabled', '--administrator']), {
      isDisabled: true,
      isAdministrator: true,
    })
    assert.partialDeepStrictEqual(await succeed('user update', ['ann', '--no-disabled', '--password-stdin'], 'another password'), {
      isDisabled: false,
      isAdministrator: true,
    })
    assert.deepEqual(await succeed('user remove', ['ann', '--yes']), {removed: 'ann'})
    await fail('CONFLICT', 6, ['user', 'add', 'ann', '--password-stdin'], PASSWORD)
    await fail('OBJECT_NOT_FOUND', 3, ['user', 'show', 'ann'])
  })

  it('add nobody whose groups are not there, whose name is none, or whose password is too short; no password is repeated', async () => {
    await fail('OBJECT_NOT_FOUND', 3, ['user', 'add', 'ann', '--password-stdin', '--group', 'ops'], PASSWORD)
    for (const name of ['12', 'a b', 'web@service', 'a:b', '']) await fail('USAGE', 2, ['user', 'add', name, '--password-stdin'], PASSWORD)
    const said = await fail('USAGE', 2, ['user', 'add', 'ann', '--password-stdin'], 'canary')
    assert.ok(!said.includes('canary'))
    await fail('INPUT_REQUIRED', 2, ['user', 'add', 'ann'])
    await fail('INPUT_REQUIRED', 2, ['user', 'remove', 'ann'])
    assert.deepEqual(await succeed('user list'), {users: []})
  })

  it('make members of groups, and give privileges, which are no groups to be changed', async () => {
    for (const name of ['ann', 'bob']) await succeed('user add', [name, '--password-stdin'], PASSWORD)
    await succeed('group add', ['ops'])
    assert.partialDeepStrictEqual(await succeed('group add-member', ['ops', 'ann', 'bob', 'ann']), {members: ['ann', 'bob']})
    assert.partialDeepStrictEqual(await succeed('group remove-member', ['ops', 'bob']), {members: ['ann']})
    assert.deepEqual(await succeed('privilege grant', ['Pusher', 'ann', 'bob']), {privilege: 'Pusher', holders: ['ann', 'bob']})
    assert.deepEqual(await succeed('privilege revoke', ['Pusher', 'bob']), {privilege: 'Pusher', holders: ['ann']})
    assert.partialDeepStrictEqual(await succeed('privilege list'), {
      privileges: [{holders: []}, {privilege: 'Pusher', holders: ['ann']}, {}],
    })
    assert.partialDeepStrictEqual(await succeed('group show', ['ops']), {kind: 'organisational', members: ['ann']})
    assert.equal(((await succeed('group list')) as {groups: unknown[]}).groups.length, 4)
    await fail('USAGE', 2, ['group', 'add-member', 'DockerRegistriesManager', 'ann'])
    await fail('USAGE', 2, ['group', 'remove', 'DockerRegistriesManager', '--yes'])
    await fail('OBJECT_NOT_FOUND', 3, ['group', 'add-member', 'ops', 'bob', 'nobody'])
    assert.partialDeepStrictEqual(await succeed('group show', ['ops']), {members: ['ann']})
    await fail('USAGE', 2, ['privilege', 'grant', 'King', 'ann'])
    await succeed('group remove', ['ops', '--yes'])
    await fail('CONFLICT', 6, ['group', 'add', 'OPS'])
  })

  it('keep apps with their groups, and services with secrets that are shown once', async () => {
    for (const name of ['shop-team', 'everybody']) await succeed('group add', [name])
    const app = await succeed('app add', ['shop', '--responsible', 'shop-team', '--publication', 'everybody'])
    assert.partialDeepStrictEqual(app, {code: 'shop', responsibles: ['shop-team'], publications: ['everybody']})
    assert.deepEqual(await succeed('app show', ['shop']), {platform: 'local', ...(app as object)})
    assert.partialDeepStrictEqual(await succeed('app update', ['shop', '--responsible', 'shop-team,everybody']), {
      responsibles: ['everybody', 'shop-team'],
      publications: ['everybody'],
    })
    assert.equal(((await succeed('app list')) as {apps: unknown[]}).apps.length, 1)
    await fail('USAGE', 2, ['app', 'add', '12'])
    await fail('USAGE', 2, ['app', 'add', 'Shop'])
    await fail('USAGE', 2, ['app', 'add', 'blog', '--responsible', 'DockerRegistriesManager'])
    await fail('OBJECT_NOT_FOUND', 3, ['service', 'add', 'web', '--app', 'blog'])
    const {secret} = (await succeed('service add', ['web', '--app', 'shop'])) as {secret: string}
    assert.match(secret, /^hfs_/)
    const renewed = (await succeed('service renew-secret', ['web'])) as {secret: string}
    assert.notEqual(renewed.secret, secret)
    assert.partialDeepStrictEqual(await succeed('service update', ['web', '--disabled']), {isDisabled: true})
    assert.partialDeepStrictEqual(await succeed('service show', ['web']), {app: 'shop', isDisabled: true})
    assert.equal(((await succeed('service list')) as {services: unknown[]}).services.length, 1)
    await succeed('service remove', ['web', '--yes'])
    await succeed('app remove', ['shop', '--yes'])
    const database = readdirSync(holdfast.dataDirectory).map((file) => readFileSync(join(holdfast.dataDirectory, file), 'latin1'))
    for (const content of database) assert.ok(!content.includes(secret) && !content.includes(renewed.secret), 'a secret is stored')
  })

  it('manage registries, and change only what is named', async () => {
    await succeed('group add', ['ops'])
    await fail('INPUT_REQUIRED', 2, ['registry', 'manage', 'lab'])
    const trusted = async () => ((await succeed('registry list')) as {trustedHosts: unknown}).trustedHosts
    assert.deepEqual(await trusted(), [])
    const lab = await succeed('registry manage', ['lab', '--url', 'https://lab.example.com/', '--responsible', 'ops'])
    assert.partialDeepStrictEqual(lab, {
      url: 'https://lab.example.com',
      service: 'lab.example.com',
      restricted: true,
      responsibles: ['ops'],
      publications: [],
      tokenHeader: 'x5c',
      tokenLifeSeconds: 900,
    })
    assert.deepEqual(
      await trusted(),
      [{registry: 'lab.example.com', host: '127.0.0.1:5050', trustedBy: 'collector'}],
      'the collector may have its credentials',
    )
    const changed = await succeed('registry manage', ['lab', '--no-restricted', '--token-life', '300', '--publication', 'ops'])
    assert.deepEqual(changed, {...(lab as object), restricted: false, tokenLifeSeconds: 300, publications: ['ops']})
    assert.deepEqual(await succeed('registry managed'), {registries: [changed]})
    assert.match(((await succeed('registry renew-events-secret', ['lab'])) as {secret: string}).secret, /^hfe_/)
    await fail('USAGE', 2, ['registry', 'manage', 'other', '--url', 'ftp://lab.example.com'])
    const metadata = ['169.254.169.254', '0xa9fea9fe', '2852039166', '[fe80::1]', '[::ffff:169.254.169.254]', '0.0.0.0', '[::]']
    for (const host of metadata) await fail('USAGE', 2, ['registry', 'manage', 'lab', '--url', `http://${host}`])
    await fail('USAGE', 2, ['registry', 'manage', 'lab', '--token-life', '5'])
    await succeed('registry unmanage', ['lab', '--yes'])
    assert.deepEqual(await succeed('registry managed'), {registries: []})
    assert.deepEqual(await trusted(), [], 'the collector may not have them any longer')
  })

  it('show and change settings, and list tokens', async () => {
    assert.deepEqual(await succeed('collector settings'), {policy: 'private', responsibleSees: true})
    assert.deepEqual(await succeed('collector settings', ['--policy', 'public']), {policy: 'public', responsibleSees: true})
    assert.deepEqual(await succeed('collector settings', ['--no-responsible-sees']), {policy: 'public', responsibleSees: false})
    assert.deepEqual(await succeed('collector settings'), {policy: 'public', responsibleSees: false})
    assert.deepEqual(await succeed('token list'), {tokens: []})
    await succeed('user add', ['ann', '--password-stdin'], PASSWORD)
    assert.deepEqual(await succeed('token revoke', ['--user', 'ann']), {revoked: 0})
    await fail('OBJECT_NOT_FOUND', 3, ['token', 'revoke', '1'])
    await fail('USAGE', 2, ['token', 'revoke'])
  })

  it('show and change how long records are kept, and remove what is older', async () => {
    assert.deepEqual(await succeed('collector retention'), {auditDays: 365, eventDays: 90})
    assert.deepEqual(await succeed('collector retention', ['--audit-days', '30']), {auditDays: 30, eventDays: 90})
    const purged = {audit: 0, events: 0, refreshTokens: 0, sessions: 0, loginKeys: 0}
    assert.deepEqual(await succeed('collector retention', ['--event-days', '7', '--purge']), {auditDays: 30, eventDays: 7, purged})
    await fail('USAGE', 2, ['collector', 'retention', '--audit-days', '0'])
  })

  it('print tables for people', async () => {
    await succeed('group add', ['ops'])
    await succeed('user add', ['ann', '--password-stdin', '--group', 'ops'], PASSWORD)
    const {stdout} = await holdfast.run(['user', 'list'])
    assert.match(stdout, /^USER +ID +SOURCE +GROUPS +PRIVILEGES +STATE\nann +1 +internal +ops +- +-\n$/)
    const none = await holdfast.run(['app', 'list'])
    assert.deepEqual(
      [none.stdout, none.stderr],
      ['', 'there are no apps yet: holdfast app add CODE, or holdfast set-env APP DIEGO_DOCKER_CACHE true\n'],
    )
  })
})
