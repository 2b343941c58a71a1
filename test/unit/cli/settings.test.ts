import assert from 'node:assert/strict'
import {globSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {globalFlags} from '../../../src/lib/cli/builder-access.ts'
import {localRegistry, readSettings} from '../../../src/lib/cli/settings.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'

const SOURCES = fileURLToPath(new URL('../../../src', import.meta.url))
/** The second one is a program of its own that docker starts: it has no flags. */
const READERS = [join('lib', 'cli', 'settings.ts'), 'docker-credential.ts']

describe('settings that several commands read', () => {
  it('come from the flag, else from its variable, else from the default', () => {
    const environment = {
      HOLDFAST_LISTEN: '127.0.0.1:6000',
      HOLDFAST_ISSUER: 'variable',
      HOLDFAST_REGISTRY_NETWORK: '10.0.0.0/8,192.168.0.0/16',
      HOLDFAST_COLLECTOR: 'https://variable.example.com',
    }
    const flags = {embeddedListen: '127.0.0.1:7000', issuer: 'flag', 'registry-network': ['172.16.0.0/12'], collector: 'local'}
    const nothing = {HOLDFAST_LISTEN: '', HOLDFAST_ISSUER: '', HOLDFAST_REGISTRY_NETWORK: '', HOLDFAST_COLLECTOR: ''}
    for (const [given, variables, expected] of [
      [flags, environment, ['127.0.0.1:7000', 'flag', ['172.16.0.0/12'], 'local']],
      [{}, environment, ['127.0.0.1:6000', 'variable', ['10.0.0.0/8', '192.168.0.0/16'], 'https://variable.example.com']],
      [{}, nothing, [undefined, 'holdfast', [], undefined]],
      [{}, {}, [undefined, 'holdfast', [], undefined]],
    ] as const) {
      const {embeddedRegistry, issuer, registryNetworks, collector} = readSettings(given, variables)
      assert.deepEqual([embeddedRegistry, issuer, registryNetworks, collector], expected)
    }
  })

  it('name the embedded registry as programs of this machine call it', () => {
    for (const [host, name] of [
      ['0.0.0.0', '127.0.0.1:443'],
      ['::', '[::1]:443'],
      ['::1', '[::1]:443'],
      ['localhost', 'localhost:443'],
      ['192.0.2.1', '192.0.2.1:443'],
    ] as const) {
      assert.equal(localRegistry({host, port: 443}), name)
    }
    // Which one it is, is known once it listens.
    assert.equal(readSettings({embeddedListen: '127.0.0.1:0'}, {}).embeddedRegistry, undefined)
    assert.equal(readSettings({}, {HOLDFAST_LISTEN: '6000'}).embeddedRegistry, '127.0.0.1:6000')
    assert.throws(
      () => readSettings({}, {HOLDFAST_LISTEN: 'nonsense'}),
      (error) => hasCode(error, 'USAGE'),
    )
  })

  it('have the minimum rate of the flag, else of the variable, which holds for commands without the flag', () => {
    const rate = (flag: number | undefined, variable?: string) =>
      readSettings({'min-rate': flag}, variable === undefined ? {} : {HOLDFAST_MIN_RATE: variable}).minimumRate.bytesPerSecond
    assert.deepEqual([rate(undefined), rate(undefined, '5'), rate(0, '5'), rate(7), rate(undefined, '0')], [1000, 5000, 0, 7000, 0])
    for (const text of ['x', '-1', '1.5', '1000001'])
      assert.throws(
        () => rate(undefined, text),
        (error) => hasCode(error, 'CONFIGURATION') && error.hints.length > 0,
        text,
      )
  })

  it('take the flags of Holdfast out of the arguments of the builder', () => {
    const {args, flags} = globalFlags(['-dockerRef', 'a', '--min-rate', '5', '--trust-host=a=b,c', '--trust-host', 'd', '--json', '-x=--y'])
    assert.deepEqual([args, flags], [['-dockerRef', 'a', '-x=--y'], {'min-rate': 5, 'trust-host': ['a=b', 'c', 'd']}])
    for (const words of [['--min-rate'], ['--min-rate', 'fast'], ['--max-wait=-1']])
      assert.throws(
        () => globalFlags(words),
        (error) => hasCode(error, 'USAGE'),
        words.join(' '),
      )
  })

  it('are read at one place: no other source reads the variable of a flag', () => {
    const files = globSync('**/*.ts', {cwd: SOURCES})
    const texts = files.map((file) => [file, readFileSync(join(SOURCES, file), 'utf8')] as const)
    const flagVariables = new Set(texts.flatMap(([, text]) => [...text.matchAll(/\benv: '(HOLDFAST_[A-Z_]+)'/g)].map(([, name]) => name)))
    assert.ok(flagVariables.has('HOLDFAST_LISTEN') && flagVariables.size > 50, 'the flags were found')
    const strays = texts
      .filter(([file]) => !READERS.includes(file))
      .flatMap(([file, text]) =>
        [...text.matchAll(/(?:\w\.|\[['"]|\{\s*)(HOLDFAST_[A-Z_]+)\b/g)]
          .map(([, name]) => name)
          .filter((name) => flagVariables.has(name))
          .map((name) => `${file} reads ${name}`),
      )
    assert.deepEqual(strays, [])
  })
})
