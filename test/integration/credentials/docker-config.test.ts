import assert from 'node:assert/strict'
import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {inspect} from 'node:util'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import type {DockerConfigFormat} from '../../../src/lib/credentials/docker-config/paths.ts'
import {createDockerConfigSource} from '../../../src/lib/credentials/docker-config/source.ts'
import {DOCKER_HUB, parseRegistryHost, parseRepositoryName} from '../../../src/lib/oci/reference.ts'

const registry = parseRegistryHost('r.example.com')
const CANARY = 'canary-7f3a'
const auth = (text: string): {auth: string} => ({auth: Buffer.from(text).toString('base64')})
const basic = (username: string, password: string) => ({kind: 'basic', username, password})

describe('credentials in the files of docker and podman', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-credentials-'))
  })
  afterEach(() => rm(directory, {recursive: true}))

  const path = (name: string): string => join(directory, name)
  const file = (name: string, format: DockerConfigFormat = 'config') => ({path: path(name), format})
  const source = (...names: readonly string[]) =>
    createDockerConfigSource({files: names.map((name) => file(name)), allowedHelpers: [], helperEnvironment: {}})
  const write = (name: string, content: unknown): Promise<void> =>
    writeFile(path(name), typeof content === 'string' ? content : JSON.stringify(content))

  it('come from the first file that has any', async () => {
    await write('a.json', {auths: {'other.example.com': auth('other:pw')}})
    await write('b.json', {auths: {'r.example.com': auth('ann:first')}})
    await write('c.json', {auths: {'r.example.com': auth('ann:second')}})
    assert.deepEqual(await source('a.json', 'missing.json', 'b.json', 'c.json').find(registry, undefined), basic('ann', 'first'))
  })

  it('are those of the longest path that holds the repository', async () => {
    await write('a.json', {auths: {'r.example.com': auth('all:pw'), 'r.example.com/team': auth('team:pw')}})
    assert.deepEqual(await source('a.json').find(registry, parseRepositoryName('team/web')), basic('team', 'pw'))
    assert.deepEqual(await source('a.json').find(registry, parseRepositoryName('teams/web')), basic('all', 'pw'))
  })

  it('are looked for under a shorter path when an entry is empty', async () => {
    await write('a.json', {auths: {'r.example.com': auth('all:pw'), 'r.example.com/team': {}}})
    assert.deepEqual(await source('a.json').find(registry, parseRepositoryName('team/web')), basic('all', 'pw'))
  })

  it('are read from a .dockercfg as docker 1.x wrote it', async () => {
    await write(
      '.dockercfg',
      '{\n\t"https://index.docker.io/v1/": {\n\t\t"auth": "bXlVc2VyOm15c2VjUmV0",\n\t\t"email": "<user email>"\n\t}\n}\n',
    )
    const dockercfg = createDockerConfigSource({files: [file('.dockercfg', 'dockercfg')], allowedHelpers: [], helperEnvironment: {}})
    assert.deepEqual(await dockercfg.find(DOCKER_HUB, parseRepositoryName('library/alpine')), basic('myUser', 'mysecRet'))
    assert.equal(await dockercfg.find(registry, undefined), undefined)
  })

  it('are none in an empty file, in one without auths, and where there is no file', async () => {
    await write('empty.json', '')
    await write('other.json', {currentContext: 'x', auths: null})
    assert.equal(await source('empty.json', 'other.json', 'missing.json', 'other.json/below.json').find(registry, undefined), undefined)
  })

  it('of another registry may be malformed without harm', async () => {
    await write('a.json', {auths: {'other.example.com': {auth: '%%%'}, 'r.example.com': auth('ann:pw')}})
    assert.deepEqual(await source('a.json').find(registry, undefined), basic('ann', 'pw'))
  })

  it('are as absent where a value is null, and an entry that can hold none is told once and passed over', async () => {
    const absurd: string[] = []
    await write('null.json', {auths: {'r.example.com': null}, credHelpers: {'r.example.com': null}, credsStore: null})
    await write('absurd.json', {auths: {'r.example.com': 7, 'https://r.example.com': {auth: [CANARY]}}})
    await write('good.json', {auths: {'r.example.com': auth('ann:pw')}})
    const found = createDockerConfigSource({
      files: ['null.json', 'absurd.json', 'good.json'].map((name) => file(name)),
      allowedHelpers: [],
      helperEnvironment: {},
      onAbsurdEntry: (entry) => absurd.push(`${entry.path} ${entry.registry}`),
    })
    for (let count = 0; count < 2; count++) assert.deepEqual(await found.find(registry, undefined), basic('ann', 'pw'))
    assert.deepEqual(absurd, [`${path('absurd.json')} r.example.com`])
  })

  for (const [title, content] of [
    ['JSON that breaks off', `{"auths": {"r.example.com": {"auth": "${CANARY}`],
    ['no JSON', CANARY],
    ['a list', [CANARY]],
    ['auths that are a string', {auths: CANARY}],
    ['a helper that is no string', {credHelpers: {[CANARY]: 1}}],
    ['a store that is no string', {credsStore: [CANARY]}],
    ['an entry that is not base64', {auths: {'r.example.com': {auth: `!${CANARY}`}}}],
    ['an entry without a colon', {auths: {'r.example.com': auth(CANARY)}}],
  ] as const) {
    it(`are refused from a file with ${title}, and the error names the file and quotes nothing of it`, async () => {
      await write('bad.json', content)
      await assert.rejects(source('bad.json').find(registry, undefined), (error: unknown) => {
        assert.ok(error instanceof HoldfastError)
        assert.equal(error.code, 'CONFIGURATION')
        assert.ok(error.message.includes(path('bad.json')), error.message)
        const shown = inspect(error, {depth: 9, showHidden: true})
        assert.ok(!shown.includes(CANARY), shown)
        assert.ok(!shown.includes(Buffer.from(CANARY).toString('base64')), shown)
        return true
      })
    })
  }

  it('are refused from a path that cannot be read as a file', async () => {
    await mkdir(path('directory.json'))
    await assert.rejects(source('directory.json').find(registry, undefined), {
      code: 'CONFIGURATION',
      message: /directory\.json": it is a directory$/,
    })
  })
})
