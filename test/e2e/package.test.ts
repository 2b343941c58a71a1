/** What is published: described as the source is, complete, and nothing else. */
import assert from 'node:assert/strict'
import {mkdir, readdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {describeCommands} from '../../scripts/manifest.ts'
import {describeResults} from '../../scripts/schemas.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {run, runOk} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const ROOT = join(import.meta.dirname, '../..')
const NPM = process.platform === 'win32' ? 'npm.cmd' : 'npm'
/** What npm needs to find the one dependency, as this checkout's own `npm ci` did; what `npm test` sets beside it would send npm back to the checkout. */
const NPM_SETTINGS = /^(?:HOME|PATH|(?:https?|no)_proxy|NODE_EXTRA_CA_CERTS|npm_config_(?:registry|cache|userconfig|globalconfig|cafile))$/i

describe('the published package', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()

  it('has a manifest that is what the commands say of themselves', async () => {
    const committed = await readFile(join(ROOT, 'oclif.manifest.json'), 'utf8')
    assert.equal(committed, await describeCommands(), 'oclif.manifest.json is stale: npm run build')
  })

  it('has schemas that are what the operations of the collector say of themselves', async () => {
    for (const [file, schema] of describeResults()) {
      assert.equal(await readFile(join(ROOT, 'schemas', file), 'utf8'), schema, `schemas/${file} is stale: npm run build`)
    }
  })

  it('is installed into an empty folder with nothing but the keychain binding, and works', async () => {
    const {path: folder, remove} = await createTemporaryDirectory('package')
    afterwards(remove)
    const packed = await runOk(NPM, ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {cwd: ROOT})
    const [{filename, files}] = JSON.parse(packed) as [{filename: string; files: {path: string}[]}]
    const outside = files
      .map(({path}) => path)
      .filter(
        (path) =>
          !/^(?:bin\/(?:run|load-program|old-node|compile-cache|docker-credential-holdfast)\.js|bin\/package\.json|dist\/|schemas\/|docs\/(?:collector|credentials|errors)\.md|oclif\.manifest\.json|[A-Z]+(?:\.md)?$|package\.json$)/.test(
            path,
          ),
      )
    assert.deepEqual(outside, [])

    const home = join(folder, 'home')
    await mkdir(home)
    await writeFile(join(home, 'package.json'), '{"private": true}')
    const settings = Object.fromEntries(Object.entries(process.env).filter(([name]) => NPM_SETTINGS.test(name)))
    const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--ignore-scripts']
    await runOk(NPM, ['install', ...flags, join(folder, filename)], {cwd: home, env: settings})
    const installed = await readdir(join(home, 'node_modules'))
    assert.deepEqual(installed.filter((name) => !name.startsWith('.')).sort(), ['@napi-rs', 'holdfast', 'keytar'])
    const env = {PATH: process.env.PATH, HOME: home}
    const program = join(home, 'node_modules/.bin/holdfast')
    const holdfast = (...args: readonly string[]) => run(program, args, {cwd: home, env})
    const {version} = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    assert.ok((await holdfast('--version')).stdout.startsWith(`holdfast/${version} `))
    const help = await holdfast('--help')
    assert.equal(help.exitCode, 0, help.stderr)
    assert.ok(help.stdout.includes('cache-image'))
    assert.equal((await holdfast('cached', '--json')).stdout, '{"ok":true,"command":"cached","result":{"images":[]},"warnings":[]}\n')
  })

  it('brings the packages that are loaded late, with the names that are asked of them', async () => {
    const load = async (name: string): Promise<Readonly<Record<string, unknown>>> => import(join(ROOT, 'dist/packages', `${name}.mjs`))
    assert.equal(typeof (await load('undici')).request, 'function')
    assert.equal(typeof (await load('chalk')).Chalk, 'function')
    assert.equal(typeof (await load('ora')).default, 'function')
    const {default: inquirer} = await load('inquirer')
    assert.equal(typeof Reflect.get(Object(inquirer), 'createPromptModule'), 'function')
  })
})
