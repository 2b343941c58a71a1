/** A collector as a document: applied, applied again, exported, and refused. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {readdirSync, readFileSync} from 'node:fs'
import {readFile, writeFile} from 'node:fs/promises'
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
    assert.deepEqual(await apply('--prune', '--yes'), ['remove service web', 'remove group unnamed'])
    assert.deepEqual(await apply('--prune'), [])
    const {stdout} = await holdfast.run(['apply', file, '--dry-run'])
    assert.equal(stdout, '')
  })

  it('removes nothing without being told so by a flag: there is no terminal, and a variable is not consent', async () => {
    await apply()
    await writeFile(file, 'services: []\n')
    const asked = await holdfast.json(['apply', file, '--prune'], {env: {HOLDFAST_YES: 'true', HOLDFAST_PRUNE: 'true'}})
    assert.deepEqual([asked.envelope.error?.code, asked.exitCode], ['INPUT_REQUIRED', 2])
    assert.deepEqual(asked.envelope.error?.hints, [`holdfast apply ${file} --prune --yes`])
    const unasked = await holdfast.json(['apply', file], {env: {HOLDFAST_YES: 'true', HOLDFAST_PRUNE: 'true'}})
    assert.partialDeepStrictEqual(unasked.envelope.result, {changes: []})
    assert.equal(((await command(holdfast, ['service', 'list'])) as {services: unknown[]}).services.length, 1)
    assert.deepEqual(await apply('--prune', '--yes'), ['remove service web'])
    // A missing section is not an empty one.
    await writeFile(file, '')
    assert.deepEqual(await apply('--prune', '--yes'), [])
  })

  it('is refused when it would remove most of a kind, unless so many may go; what went is restored by what was exported', async () => {
    await writeFile(file, `groups: [a, b, c, d, e]\nusers:\n${['v', 'w'].map((name) => `  - {name: ${name}, groups: [a]}`).join('\n')}\n`)
    await apply()
    const {stdout: exported} = await holdfast.run(['export'])
    await writeFile(file, 'groups: []\n')
    const {envelope, exitCode} = await holdfast.json(['apply', file, '--prune', '--yes'])
    assert.deepEqual([envelope.error?.code, exitCode], ['CONFLICT', 6])
    assert.match(envelope.error?.message ?? '', /5 of 5 groups would be removed, which is more than half; nothing was changed/)
    assert.equal((await holdfast.json(['apply', file, '--prune', '--yes', '--max-removals', '4'])).exitCode, 6)
    assert.equal((await apply('--prune', '--yes', '--max-removals', '5')).length, 5)
    const removed = await command(holdfast, ['collector', 'removed'])
    assert.ok(ajv.validate('collector-removed.schema.json', removed), ajv.errorsText())
    assert.equal((removed as {removed: unknown[]}).removed.length, 5)
    const restored = await command(holdfast, ['group', 'restore', 'a'])
    assert.ok(ajv.validate('group-restore.schema.json', restored), ajv.errorsText())
    await writeFile(file, exported)
    assert.deepEqual(
      await apply(),
      ['b', 'c', 'd', 'e'].map((name) => `restore group ${name}`),
    )
    assert.equal((await holdfast.run(['export'])).stdout, exported)
    assert.equal((await holdfast.json(['group', 'restore', 'a'])).exitCode, 3)
  })

  it('is applied as a plan that was reviewed, if the collector has not changed since', async () => {
    await apply()
    await writeFile(file, 'services: []\ngroups: [ops, everybody, new]\n')
    const plan = join(directory, 'plan.json')
    const planned = await holdfast.json(['apply', file, '--prune', '--dry-run', '--save-plan', plan])
    assert.equal(planned.exitCode, 0, planned.stdout)
    assert.equal(((await command(holdfast, ['service', 'list'])) as {services: unknown[]}).services.length, 1)
    await command(holdfast, ['group', 'add', 'meanwhile'])
    const refused = await holdfast.json(['apply', '--plan', plan])
    assert.deepEqual([refused.envelope.error?.code, refused.exitCode], ['CONFLICT', 6])
    await command(holdfast, ['group', 'remove', 'meanwhile', '--yes'])
    // What the plan is not about may change.
    await command(holdfast, ['user', 'update', 'bob', '--email', 'bob@example.com'])
    const asked = await holdfast.json(['apply', '--plan', plan])
    assert.deepEqual([asked.envelope.error?.code, asked.exitCode], ['INPUT_REQUIRED', 2])
    const edited = join(directory, 'edited.json')
    await writeFile(edited, JSON.stringify({...JSON.parse(await readFile(plan, 'utf8')), changes: []}))
    const other = await holdfast.json(['apply', '--plan', edited, '--yes'])
    assert.deepEqual([other.envelope.error?.code, other.exitCode], ['CONFLICT', 6], 'what was reviewed is not what would be applied')
    const applied = (await command(holdfast, ['apply', '--plan', plan, '--yes'])) as Applied
    assert.deepEqual(
      applied.changes.map(({action, kind, name}) => `${action} ${kind} ${name}`),
      ['add group new', 'remove service web'],
    )
    for (const args of [[], [file, '--plan', plan], ['--plan', file], ['--plan', plan, '--prune'], [file, '--save-plan', plan]]) {
      assert.equal((await holdfast.json(['apply', ...args])).exitCode, 2, args.join(' '))
    }
    assert.equal((await holdfast.json(['apply', '--plan', join(directory, 'missing.json')])).exitCode, 10)
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

  it('is applied as a whole or not at all when the run is killed', async () => {
    const users = Array.from({length: 300}, (_, number) => `  - {name: user-${number}, groups: [everybody], privileges: [Puller]}`)
    await writeFile(file, `groups: [everybody]\nusers:\n${users.join('\n')}\n`)
    const child = spawnChild(process.execPath, [HOLDFAST_LAUNCHER, 'apply', file], {env: holdfast.env, stdio: 'ignore'})
    await new Promise((resolve) => setTimeout(resolve, 400))
    child.kill('SIGKILL')
    await once(child, 'exit')
    const {users: found} = (await command(holdfast, ['user', 'list'])) as {users: unknown[]}
    assert.ok(found.length === 0 || found.length === 300, `${found.length} users of 300`)
    await apply()
    const {users: all} = (await command(holdfast, ['user', 'list'])) as {users: {groups: string[]; privileges: string[]}[]}
    assert.equal(all.length, 300)
    for (const {groups, privileges} of all) assert.deepEqual([groups, privileges], [['everybody'], ['Puller']])
    assert.deepEqual(await apply(), [])
  })
})
