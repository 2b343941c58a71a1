/** A collector as a document: applied, applied again, exported, and refused. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {readdirSync, readFileSync} from 'node:fs'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {Ajv2020} from 'ajv/dist/2020.js'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {spawnChild} from '../support/child-process.ts'
import {createHoldfast, HOLDFAST_LAUNCHER, type Holdfast} from '../support/holdfast.ts'
import {command} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const SCHEMAS = join(import.meta.dirname, '../../schemas')
const DOCUMENT = `
policy: private
groups: [ops, everybody]
users:
  - name: ann
    email: ann@example.com
    groups: [ops, everybody]
    privileges: [Manager, Pusher, Puller]
    administrator: true
  - name: bob
    groups: [everybody]
    privileges: [Puller]
apps:
  - code: shop
    responsibles: [ops]
    publications: [everybody]
services:
  - {name: web, app: shop}
registries:
  - name: lab
    url: https://lab.example.com
    restricted: false
    publications: [everybody]
    responsibles: [ops]
    tokenLifeSeconds: 300
`

interface Applied {
  readonly isDryRun: boolean
  readonly changes: readonly {readonly action: string; readonly kind: string; readonly name: string}[]
}

describe('a document of a collector', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  const ajv = new Ajv2020({strict: true, allErrors: true})
  let directory: string
  let holdfast: Holdfast
  let file: string
  let count = 0

  before(async () => {
    for (const schema of readdirSync(SCHEMAS)) ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS, schema), 'utf8')))
    const temporary = await createTemporaryDirectory('apply')
    afterwards(temporary.remove)
    directory = temporary.path
  })

  beforeEach(async () => {
    const folder = join(directory, String(count++))
    holdfast = await createHoldfast(folder)
    file = join(folder, 'collector.yaml')
    await writeFile(file, DOCUMENT)
  })

  async function apply(...args: readonly string[]): Promise<readonly string[]> {
    const result = (await command(holdfast, ['apply', file, ...args])) as Applied
    assert.ok(ajv.validate('apply.schema.json', result), ajv.errorsText())
    return result.changes.map(({action, kind, name}) => `${action} ${kind} ${name}`)
  }

  const ALL = [
    'add group ops',
    'add group everybody',
    'add user ann',
    'add user bob',
    'add app shop',
    'add service web',
    'add registry lab',
  ]

  it('is shown first and changes nothing, then makes everything, and then nothing more', async () => {
    assert.deepEqual(await apply('--dry-run'), ALL)
    assert.deepEqual(await command(holdfast, ['user', 'list']), {users: []})
    assert.deepEqual(await apply(), ALL)
    assert.deepEqual(await apply(), [])
    assert.partialDeepStrictEqual(await command(holdfast, ['user', 'show', 'ann']), {
      email: 'ann@example.com',
      groups: ['everybody', 'ops'],
      privileges: ['Manager', 'Pusher', 'Puller'],
      isAdministrator: true,
    })
    assert.partialDeepStrictEqual(await command(holdfast, ['registry', 'managed']), {
      registries: [{name: 'lab', service: 'lab.example.com', restricted: false, tokenLifeSeconds: 300, responsibles: ['ops']}],
    })
  })

  it('is given back by export, which changes nothing when it is applied', async () => {
    await apply()
    const exported = await command(holdfast, ['export'])
    assert.ok(ajv.validate('export.schema.json', exported), ajv.errorsText())
    const {stdout} = await holdfast.run(['export'])
    await writeFile(file, stdout)
    assert.deepEqual(await apply(), [])
    const other = await createHoldfast(join(directory, 'other'))
    const piped = await other.run(['apply', '-'], {input: stdout})
    assert.equal(piped.exitCode, 0, piped.stderr)
    assert.deepEqual(await command(other, ['export']), exported)
  })

  it('changes what it names, and removes what it does not only when told to', async () => {
    await apply()
    await command(holdfast, ['group', 'add', 'unnamed'])
    await writeFile(
      file,
      DOCUMENT.replace('privileges: [Puller]', 'privileges: [Puller, Pusher]\n    disabled: true').replace(
        '  - {name: web, app: shop}',
        '  []',
      ),
    )
    assert.deepEqual(await apply(), ['change user bob'])
    assert.partialDeepStrictEqual(await command(holdfast, ['user', 'show', 'bob']), {privileges: ['Pusher', 'Puller'], isDisabled: true})
    assert.deepEqual(await apply('--prune'), ['remove service web', 'remove group unnamed'])
    assert.deepEqual(await apply('--prune'), [])
    const {stdout} = await holdfast.run(['apply', file, '--dry-run'])
    assert.equal(stdout, '')
  })

  it('is refused as a whole when it is none, by line or by property', async () => {
    for (const [yaml, word] of [
      ['groups: [ops', 'line 1'],
      ['groups: ops', 'groups'],
      ['users: [{name: "1"}]', 'users.0.name'],
      ['colour: red', 'colour is not known'],
      ['users: [{name: ann, password: secret-canary}]', 'users.0'],
    ] as const) {
      await writeFile(file, yaml)
      const {envelope, exitCode} = await holdfast.json(['apply', file])
      assert.deepEqual([envelope.error?.code, exitCode], ['USAGE', 2], yaml)
      assert.ok(envelope.error?.message.includes(word), envelope.error?.message)
      assert.ok(!envelope.error?.message.includes('canary'))
    }
    const missing = await holdfast.json(['apply', join(directory, 'missing.yaml')])
    assert.deepEqual([missing.envelope.error?.code, missing.exitCode], ['CONFIGURATION', 10])
    assert.deepEqual(await command(holdfast, ['user', 'list']), {users: []})
  })

  it('is refused by its size, before it is parsed', async () => {
    await writeFile(file, 'a: b\n'.repeat(12_000_000))
    const large = await holdfast.json(['apply', file])
    assert.deepEqual([large.envelope.error?.code, large.exitCode], ['CONFIGURATION', 10])
    assert.match(large.envelope.error?.message ?? '', /it has more than 1048576 bytes/)
  })

  it('is finished by the next run when the first one was killed', async () => {
    const users = Array.from({length: 300}, (_, number) => `  - {name: user-${number}, groups: [everybody], privileges: [Puller]}`)
    await writeFile(file, `groups: [everybody]\nusers:\n${users.join('\n')}\n`)
    const child = spawnChild(process.execPath, [HOLDFAST_LAUNCHER, 'apply', file], {env: holdfast.env, stdio: 'ignore'})
    await new Promise((resolve) => setTimeout(resolve, 400))
    child.kill('SIGKILL')
    await once(child, 'exit')
    await apply()
    const {users: all} = (await command(holdfast, ['user', 'list'])) as {users: {groups: string[]; privileges: string[]}[]}
    assert.equal(all.length, 300)
    for (const {groups, privileges} of all) assert.deepEqual([groups, privileges], [['everybody'], ['Puller']])
    assert.deepEqual(await apply(), [])
  })
})
