import assert from 'node:assert/strict'
import {mkdir, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {readCfSession, sessionFile} from '../../../src/lib/cloud-foundry/session-file.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'

const API = 'https://api.example.com'
const LOGGED_IN = {
  ConfigVersion: 4,
  Target: API,
  AuthorizationEndpoint: 'https://login.example.com',
  AccessToken: 'bearer a.b.c',
  RefreshToken: 'r',
  OrganizationFields: {GUID: 'o', Name: 'acme'},
  SpaceFields: {GUID: 's', Name: 'dev'},
}

describe('the session of cf', () => {
  const afterwards = cleanUpAfterwards()
  let file: string

  before(async () => {
    const temporary = await createTemporaryDirectory('session-file')
    afterwards(temporary.remove)
    file = sessionFile(temporary.path)
    assert.equal(file, join(temporary.path, '.cf', 'config.json'))
    await mkdir(dirname(file))
  })

  async function read(config: object | string): ReturnType<typeof readCfSession> {
    await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config))
    return await readCfSession(file, ['--no-cf'])
  }

  it('is read with its target, or without one', async () => {
    const session = await read(LOGGED_IN)
    assert.deepEqual([session?.api, session?.login, session?.accessToken?.reveal()], [API, 'https://login.example.com', 'a.b.c'])
    assert.deepEqual(
      [session?.organization, session?.space],
      [
        {guid: 'o', name: 'acme'},
        {guid: 's', name: 'dev'},
      ],
    )
    const untargeted = await read({...LOGGED_IN, OrganizationFields: {GUID: '', Name: ''}, SpaceFields: {GUID: '', Name: ''}})
    assert.deepEqual([untargeted?.api, untargeted?.organization, untargeted?.space], [API, undefined, undefined])
  })

  it('is none where the file names no API', async () => {
    for (const config of ['', '{}', {ConfigVersion: 4, Target: ''}, {ConfigVersion: 3, Target: ''}, {ConfigVersion: 4}]) {
      assert.equal(await read(config), undefined, JSON.stringify(config))
    }
  })

  it('that cannot be used is named, and never passes for none', async () => {
    for (const [config, code, reason, hint] of [
      [{...LOGGED_IN, ConfigVersion: 5}, 'UNSUPPORTED', 'its version is 5, and Holdfast knows version 4', 'cf login'],
      [{...LOGGED_IN, ConfigVersion: 3}, 'UNSUPPORTED', 'its version is 3, and Holdfast knows version 4', 'cf login'],
      [{...LOGGED_IN, ConfigVersion: undefined}, 'UNSUPPORTED', 'it names no version, and Holdfast knows version 4', 'cf login'],
      // A later version may name its API in another way.
      [{ConfigVersion: 5, Api: API}, 'UNSUPPORTED', 'its version is 5, and Holdfast knows version 4', 'cf login'],
      [
        {...LOGGED_IN, CFOnK8s: {Enabled: true, AuthInfo: 'kind'}},
        'UNSUPPORTED',
        'it wants credentials of Kubernetes, as Korifi does',
        '--no-cf',
      ],
      [{...LOGGED_IN, AccessToken: '', RefreshToken: ''}, 'UNAUTHENTICATED', 'you are not logged in', `cf login -a ${API}`],
      [{...LOGGED_IN, AuthorizationEndpoint: ''}, 'UNAUTHENTICATED', 'you are not logged in', `cf login -a ${API}`],
    ] as const) {
      await assert.rejects(read(config), (error) => {
        assert.ok(error instanceof HoldfastError)
        assert.equal(error.code, code)
        assert.ok(error.message.includes(reason), error.message)
        assert.ok(
          error.hints.some((one) => one.startsWith(hint)),
          error.hints.join('\n'),
        )
        return true
      })
    }
  })
})
