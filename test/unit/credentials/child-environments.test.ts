import assert from 'node:assert/strict'
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {foreignProgramEnvironment, keychainEnvironment} from '../../../src/lib/credentials/child-environments.ts'

const SRC = fileURLToPath(new URL('../../../src', import.meta.url))

describe('the environment of other programs', () => {
  it('of the keychain process says where the keychain is, and holds nothing else', () => {
    const where = {
      HOME: '/home/a',
      PATH: '/bin',
      DBUS_SESSION_BUS_ADDRESS: 'unix:path=/x',
      XDG_RUNTIME_DIR: '/run',
      LC_ALL: 'C',
      SystemRoot: 'C:',
    }
    const secrets = {
      AWS_SECRET_ACCESS_KEY: 's',
      GITHUB_TOKEN: 's',
      HOLDFAST_AUTH_X_PASSWORD: 's',
      HOLDFAST_DATABASE_URL: 's',
      HTTPS_PROXY: 'http://u:s@p',
      NODE_OPTIONS: '--require=s',
      LD_PRELOAD: 's',
    }
    assert.deepEqual(keychainEnvironment({...where, ...secrets}), where)
  })

  it('of a credential helper has what its cloud needs, and no variable of ours, whichever there will be', () => {
    const code = readdirSync(SRC, {recursive: true, withFileTypes: true})
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    const ours = new Set(code.flatMap((text) => text.match(/\bHOLDFAST_[A-Z_]+[A-Z]/g) ?? []))
    for (const secret of ['HOLDFAST_DATABASE_URL', 'HOLDFAST_NOTIFY_URL', 'HOLDFAST_CONSUL_TOKEN']) assert.ok(ours.has(secret), secret)
    const theirs = {AWS_SECRET_ACCESS_KEY: 'k', GOOGLE_APPLICATION_CREDENTIALS: 'f', PATH: '/bin', HOME: '/h'}
    const all = Object.fromEntries([...ours, 'HOLDFAST_AUTH_X_PASSWORD', 'holdfast_lower'].map((name) => [name, 'secret']))
    assert.deepEqual(foreignProgramEnvironment({...theirs, ...all}), theirs)
  })
})
