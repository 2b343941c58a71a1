import assert from 'node:assert/strict'
import {chmod, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import {inspect} from 'node:util'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {createDockerConfigSource, type DockerConfigOptions, type SkippedHelper} from '../../../src/lib/credentials/docker-config/source.ts'
import {DOCKER_HUB, parseRegistryHost} from '../../../src/lib/oci/reference.ts'

const registry = parseRegistryHost('r.example.com:5000')
const CANARY = 'canary-51c0'

describe('a credential helper', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-helper-'))
  })
  afterEach(() => rm(directory, {recursive: true}))

  /** Installs a real program that notes how it was called, then does what `script` says. */
  const install = async (name: string, script: string): Promise<void> => {
    const program = join(directory, `docker-credential-${name}`)
    await writeFile(program, `#!/bin/sh\nread -r server || true\necho "$@ $server" >> "${directory}/calls"\n${script}\n`)
    await chmod(program, 0o755)
  }
  const calls = async (): Promise<string> => readFile(join(directory, 'calls'), 'utf8').catch(() => '')
  const source = async (config: unknown, options: Partial<DockerConfigOptions> = {}) => {
    const path = join(directory, 'config.json')
    await writeFile(path, JSON.stringify(config))
    return createDockerConfigSource({
      files: [{path, format: 'config'}],
      allowedHelpers: ['stub'],
      helperEnvironment: {PATH: [directory, '/usr/bin', '/bin'].join(delimiter)},
      ...options,
    })
  }
  const answer = (username: string, secret: string): string =>
    `echo '${JSON.stringify({ServerURL: 'x', Username: username, Secret: secret})}'`
  const auths = {[registry]: {auth: Buffer.from('stored:pw').toString('base64')}}
  const stored = {kind: 'basic', username: 'stored', password: 'pw'}

  it('of the registry is asked with the host on its standard input', async () => {
    await install('stub', answer('ann', 's3cret'))
    const asked = await source({credHelpers: {[registry]: 'stub'}})
    assert.deepEqual(await asked.find(registry, undefined), {kind: 'basic', username: 'ann', password: 's3cret'})
    assert.equal(await calls(), `get ${registry}\n`)
  })

  it('is asked for docker.io by the URL under which docker keeps it', async () => {
    await install('stub', answer('ann', 's3cret'))
    await (await source({credsStore: 'stub'})).find(DOCKER_HUB, undefined)
    assert.equal(await calls(), 'get https://index.docker.io/v1/\n')
  })

  it('answers with an identity token under the user name <token>', async () => {
    await install('stub', answer('<token>', 'idt'))
    assert.deepEqual(await (await source({credsStore: 'stub'})).find(registry, undefined), {kind: 'identity-token', token: 'idt'})
  })

  it('comes before the file’s own entries, as in docker', async () => {
    await install('stub', answer('kept', 'pw'))
    const found = await (await source({credsStore: 'stub', auths})).find(registry, undefined)
    assert.deepEqual(found, {kind: 'basic', username: 'kept', password: 'pw'})
  })

  it('that has nothing leaves the question to the file’s entries', async () => {
    await install('stub', 'echo "credentials not found in native keychain"; exit 1')
    assert.deepEqual(await (await source({credsStore: 'stub', auths})).find(registry, undefined), stored)
    assert.equal(await (await source({credsStore: 'stub'})).find(registry, undefined), undefined)
  })

  it('that answers with empty fields has nothing', async () => {
    await install('stub', answer('', ''))
    assert.equal(await (await source({credsStore: 'stub'})).find(registry, undefined), undefined)
  })

  it('of the registry takes the place of the one for everything, and an empty one turns that off', async () => {
    await install('stub', answer('own', 'pw'))
    await install('store', answer('store', 'pw'))
    const allowed = {allowedHelpers: ['stub', 'store']}
    const own = await source({credHelpers: {[registry]: 'stub'}, credsStore: 'store'}, allowed)
    assert.deepEqual(await own.find(registry, undefined), {kind: 'basic', username: 'own', password: 'pw'})
    const off = await source({credHelpers: {[registry]: ''}, credsStore: 'store', auths}, allowed)
    assert.deepEqual(await off.find(registry, undefined), stored)
  })

  it('is not run unless it was allowed by name, and the reason is told once', async () => {
    await install('stub', answer('ann', 's3cret'))
    const skipped: SkippedHelper[] = []
    const onSkippedHelper = (helper: SkippedHelper) => void skipped.push(helper)
    const asked = await source({credsStore: 'stub', auths}, {allowedHelpers: ['other'], onSkippedHelper})
    assert.deepEqual(await asked.find(registry, undefined), stored)
    assert.deepEqual(await asked.find(registry, undefined), stored)
    assert.equal(await calls(), '')
    assert.deepEqual(skipped, [{helper: 'stub', path: join(directory, 'config.json'), registry, reason: 'not-allowed'}])
  })

  it('cannot be named by a path, neither in a file nor by who allows it', async () => {
    await install('stub', answer('ann', 's3cret'))
    const name = `/../../${directory}/docker-credential-stub`
    const skipped: SkippedHelper[] = []
    const asked = await source({credsStore: name}, {onSkippedHelper: (helper) => void skipped.push(helper)})
    assert.equal(await asked.find(registry, undefined), undefined)
    assert.equal(skipped[0]?.reason, 'invalid-name')
    await assert.rejects(source({credsStore: name}, {allowedHelpers: [name]}), {code: 'CONFIGURATION'})
    assert.equal(await calls(), '')
  })

  it('sees the environment it is given and no more', async () => {
    await install('stub', `echo "{\\"Username\\":\\"$GIVEN\\",\\"Secret\\":\\"$HOME\\"}"`)
    const helperEnvironment = {PATH: [directory, '/usr/bin', '/bin'].join(delimiter), GIVEN: 'seen'}
    const found = await (await source({credsStore: 'stub'}, {helperEnvironment})).find(registry, undefined)
    assert.deepEqual(found, {kind: 'basic', username: 'seen', password: ''})
  })

  it('that does not end is stopped after the time-out, and what it started does not hold us', async () => {
    await install('stub', 'sleep 18 & sleep 18')
    const asked = await source({credsStore: 'stub'}, {helperTimeoutMs: 200})
    const started = performance.now()
    await assert.rejects(asked.find(registry, undefined), {code: 'CONFIGURATION', message: /within 0\.2 s/})
    assert.ok(performance.now() - started < 15_000)
  })

  for (const [title, script, reason] of [
    ['is not installed', undefined, /no such program is in PATH/],
    ['fails', `echo "${CANARY}"; echo "${CANARY}" >&2; exit 3`, /ended with status 3/],
    ['does not answer in JSON', `echo "${CANARY}"`, /did not answer with a JSON object/],
    ['leaves out the secret', `echo '{"Username":"${CANARY}"}'`, /did not answer with a JSON object/],
    ['is killed', 'kill -9 $$', /ended by SIGKILL/],
    ['writes without end', `yes ${CANARY}`, /wrote more than 1048576 bytes/],
  ] as const) {
    it(`that ${title} is a configuration error that quotes nothing of its output`, async () => {
      if (script !== undefined) await install('stub', script)
      await assert.rejects((await source({credsStore: 'stub', auths})).find(registry, undefined), (error: unknown) => {
        assert.ok(error instanceof HoldfastError)
        assert.equal(error.code, 'CONFIGURATION')
        assert.match(error.message, reason)
        assert.ok(error.message.includes('docker-credential-stub'))
        assert.ok(!inspect(error, {depth: 9, showHidden: true}).includes(CANARY))
        return true
      })
    })
  }
})
