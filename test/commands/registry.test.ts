import assert from 'node:assert/strict'
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {Ajv2020} from 'ajv/dist/2020.js'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type CertificateAuthority, createCertificateAuthority} from '../support/certificates.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {needs} from '../support/required-program.ts'
import {run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/dev.js', import.meta.url))
const SCHEMAS = fileURLToPath(new URL('../../schemas', import.meta.url))

interface Answer {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

describe('the registry commands', () => {
  needs('docker-registry', 'openssl', 'htpasswd')
  const afterwards = cleanUpAfterwards()
  const ajv = new Ajv2020({strict: true, allowUnionTypes: true})
  let authority: CertificateAuthority
  let secure: DockerRegistry
  let plain: DockerRegistry
  let directory: string
  let user: Holdfast
  let users = 0

  before(async () => {
    for (const file of readdirSync(SCHEMAS).filter((name) => name.startsWith('registry-'))) {
      ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')))
    }
    const temporary = await createTemporaryDirectory('registry-commands')
    afterwards(temporary.remove)
    directory = temporary.path
    authority = await createCertificateAuthority(join(directory, 'ca'))
    secure = await startDockerRegistry({tls: await authority.issue('server')})
    afterwards(secure.stop)
    plain = await startDockerRegistry()
    afterwards(plain.stop)
  })

  beforeEach(async () => {
    user = await createHoldfast(join(directory, `user-${users++}`))
  })

  const holdfast = (...args: readonly string[]): Promise<Answer> =>
    run(process.execPath, [PROGRAM, 'registry', ...args], {env: user.env, cwd: directory})

  /** Runs a command with `--json` and checks its result against its schema. */
  async function result(name: string, ...args: readonly string[]): Promise<unknown> {
    const {exitCode, stdout, stderr} = await holdfast(name, ...args, '--json')
    assert.equal(exitCode, 0, stdout + stderr)
    const envelope = JSON.parse(stdout)
    assert.equal(envelope.ok, true)
    assert.equal(envelope.command, `registry ${name}`)
    assert.ok(ajv.validate(`registry-${name}.schema.json`, envelope.result), ajv.errorsText())
    return envelope.result
  }

  async function failure(...args: readonly string[]) {
    const {exitCode, stdout} = await holdfast(...args, '--json')
    const envelope = JSON.parse(stdout)
    assert.equal(envelope.ok, false)
    return {exitCode, ...envelope.error}
  }

  it('declare, list, show, change, check and forget a registry', async () => {
    const added = await result('add', 'lab', secure.url, '--ca-file', 'ca/ca.crt', '--default')
    assert.partialDeepStrictEqual(added, {
      name: 'lab',
      flavour: 'https-ca-signed',
      isDefault: true,
      caFile: join(directory, 'ca', 'ca.crt'),
    })
    const shown = {...(added as object), trustedHosts: []}
    assert.deepEqual(await result('show', 'lab'), shown)
    assert.deepEqual(await result('show', secure.host), shown)
    assert.deepEqual(await result('list'), {registries: [added], trustedHosts: []})
    assert.partialDeepStrictEqual(await result('check'), {name: 'lab', ok: true})
    assert.partialDeepStrictEqual(
      await result('update', 'lab', '--no-default', '--insecure', '--trust-host', 'a.example.com,b.example.com'),
      {
        isDefault: false,
        insecure: true,
        pinnedHosts: ['a.example.com', 'b.example.com'],
      },
    )
    assert.deepEqual(await result('remove', 'lab', '--yes'), {name: 'lab', host: secure.host})
    assert.deepEqual(await result('list'), {registries: [], trustedHosts: []})
  }).timeout(60_000)

  it('show people what was found out, and pins nothing silently', async () => {
    const {stdout, exitCode} = await holdfast('add', 'local', plain.host)
    assert.equal(exitCode, 0)
    assert.match(stdout, /^flavour +plain HTTP$/m)
    assert.match(stdout, /^authentication +none$/m)
    assert.match(stdout, /^pinned hosts +none but its own$/m)
    assert.match(stdout, /^refuses a wrong digest +yes, proven$/m)
    const list = await holdfast('list')
    assert.match(
      list.stdout,
      /^NAME +URL +FLAVOUR +AUTHENTICATION +DEFAULT +PREFIX +TRUSTED HOSTS\nlocal +http:\/\/127\.0\.0\.1:\d+ +plain HTTP +none\n$/,
    )
  })

  it('keep a prefix until it is changed or taken away, without asking the registry, and refuse what is not a repository name', async () => {
    assert.partialDeepStrictEqual(await result('add', 'team', 'https://registry.invalid', '--no-probe', '--prefix', 'apps/shop'), {
      repositoryPrefix: 'apps/shop',
    })
    assert.match((await holdfast('show', 'team')).stdout, /^prefix +apps\/shop$/m)
    assert.match((await holdfast('list')).stdout, /^team .* apps\/shop$/m)
    assert.partialDeepStrictEqual(await result('update', 'team', '--insecure', '--no-probe'), {repositoryPrefix: 'apps/shop'})
    assert.partialDeepStrictEqual(await result('update', 'team', '--prefix', 'users/ann'), {repositoryPrefix: 'users/ann'})
    assert.partialDeepStrictEqual(await failure('update', 'team', '--prefix', 'Users/../ann'), {exitCode: 2, code: 'INVALID_REFERENCE'})
    const without = (await result('update', 'team', '--prefix', '')) as {readonly repositoryPrefix?: string}
    assert.equal(without.repositoryPrefix, undefined)
  }).timeout(60_000)

  it('name the flag where nothing can be asked', async () => {
    assert.partialDeepStrictEqual(await failure('add'), {exitCode: 2, code: 'INPUT_REQUIRED', hints: ['holdfast registry add NAME URL']})
    await result('add', 'local', plain.host, '--no-probe')
    assert.partialDeepStrictEqual(await failure('remove', 'local'), {
      exitCode: 2,
      code: 'INPUT_REQUIRED',
      hints: ['holdfast registry remove local --yes'],
    })
    for (const name of ['check', 'show', 'update'])
      assert.partialDeepStrictEqual(await failure(name), {exitCode: 2, code: 'INPUT_REQUIRED', hints: [`holdfast registry ${name} NAME`]})
  })

  it('refuse what is declared already, and what is not', async () => {
    await result('add', 'local', plain.host, '--no-probe')
    assert.partialDeepStrictEqual(await failure('add', 'local', plain.host), {
      exitCode: 6,
      code: 'CONFLICT',
      hints: ['holdfast registry update local'],
    })
    for (const name of ['show', 'update', 'remove', 'check']) {
      assert.partialDeepStrictEqual(await failure(name, 'ghost'), {exitCode: 3, code: 'REGISTRY_NOT_DECLARED'})
    }
  }).timeout(60_000)

  it('end a check with the code of the first step that failed, and tell every step all the same', async () => {
    const failed = await failure('check', secure.host)
    assert.equal(failed.exitCode, 7)
    assert.equal(failed.code, 'TLS')
    assert.ok(ajv.validate('registry-check.schema.json', failed.details.check), ajv.errorsText())
    const {stdout, stderr, exitCode} = await holdfast('check', secure.host)
    assert.equal(exitCode, 7)
    assert.match(stdout, /^dns +ok .*\ntcp +ok .*\ntls +failed +cannot trust .*\n +holdfast registry add NAME /m)
    assert.match(stdout, /^delete +skipped +not tried: auth comes first$/m)
    assert.match(stderr, /TLS/)
  })

  it('do not declare over TLS what they cannot trust, unless told to', async () => {
    assert.partialDeepStrictEqual(await failure('add', 'lab', secure.url), {exitCode: 7, code: 'TLS'})
    assert.partialDeepStrictEqual(await result('add', 'lab', secure.url, '--insecure'), {insecure: true, flavour: 'https-ca-signed'})
  })

  it('explain themselves with examples', async () => {
    for (const name of ['add', 'list', 'show', 'update', 'remove', 'check']) {
      const {stdout, exitCode} = await holdfast(name, '--help')
      assert.equal(exitCode, 0)
      assert.match(stdout, new RegExp(`EXAMPLES\\n[^]*\\$ holdfast registry ${name}`), name)
    }
  }).timeout(60_000)
})
