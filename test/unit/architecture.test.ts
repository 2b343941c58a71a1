/** The rules of docs/architecture.md that a machine can check: which way imports run, where each package lives, what the library may not touch. */
import assert from 'node:assert/strict'
import {readdirSync, readFileSync} from 'node:fs'
import {dirname, join, relative, resolve} from 'node:path'
import {fileURLToPath} from 'node:url'

const SRC = fileURLToPath(new URL('../../src', import.meta.url))

/** What each folder of src/lib may import beside itself. Arrows run downwards: a folder is below every folder that lists it. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  oci: ['core'],
  auth: ['oci', 'core'],
  access: ['auth', 'oci', 'core'],
  tokens: ['auth', 'core'],
  accounts: ['core'],
  rendering: ['core'],
  http: ['core'],
  'object-storage': ['http', 'core'],
  content: ['http', 'auth', 'oci', 'core'],
  records: ['content', 'oci', 'core'],
  credentials: ['records', 'content', 'auth', 'oci', 'core'],
  transfer: ['content', 'records', 'oci', 'core'],
  events: ['oci', 'core'],
  discovery: ['content', 'auth', 'oci', 'core'],
  collector: ['discovery', 'events', 'records', 'access', 'tokens', 'accounts', 'auth', 'oci', 'core'],
  server: ['collector', 'access', 'accounts', 'events', 'content', 'tokens', 'auth', 'oci', 'core'],
  'service-discovery': ['http', 'core'],
  staging: ['service-discovery', 'content', 'oci', 'core'],
  registries: ['records', 'content', 'http', 'auth', 'oci', 'core'],
  login: ['registries', 'credentials', 'records', 'content', 'http', 'auth', 'oci', 'core'],
  caching: ['staging', 'transfer', 'records', 'content', 'oci', 'core'],
  tags: ['caching', 'transfer', 'content', 'oci', 'core'],
  'cloud-foundry': ['http', 'auth', 'core'],
  builder: ['caching', 'service-discovery', 'staging', 'records', 'content', 'oci', 'core'],
  mirror: ['cloud-foundry', 'rendering', 'content', 'oci', 'core'],
  warming: ['content', 'oci', 'core'],
  apps: ['caching', 'cloud-foundry', 'records', 'content', 'oci', 'core'],
  cli: [
    'apps',
    'mirror',
    'object-storage',
    'warming',
    'builder',
    'cloud-foundry',
    'service-discovery',
    'tags',
    'caching',
    'login',
    'registries',
    'staging',
    'server',
    'collector',
    'accounts',
    'discovery',
    'rendering',
    'events',
    'transfer',
    'records',
    'credentials',
    'content',
    'http',
    'auth',
    'oci',
    'core',
  ],
}

/** Where each npm package, and each part of Node that reaches beyond files and sockets, may be imported: folders or files below src. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  '@oclif/core': ['lib/cli', 'commands', 'main.ts'],
  chalk: ['lib/cli'],
  inquirer: ['lib/cli'],
  ora: ['lib/cli'],
  undici: ['lib/http'],
  '@peculiar/x509': ['lib/tokens'],
  'reflect-metadata': ['lib/tokens'],
  fastify: ['lib/server/collector'],
  '@fastify/formbody': ['lib/server/collector'],
  kysely: ['lib/collector/sql'],
  pg: ['lib/collector/sql'],
  aws4fetch: ['lib/object-storage'],
  fflate: ['lib/mirror'],
  'lru-cache': ['lib/content/pull-through'],
  typebox: ['lib/collector', 'lib/cli/directories.ts'],
  yaml: ['lib/cli', 'lib/rendering'],
  jose: ['lib/accounts/federation'],
  ldapts: ['lib/accounts/ldap'],
  'prom-client': ['lib/server'],
  semver: ['lib/warming'],
  keytar: ['lib/credentials/keychain'],
  'node:sqlite': ['lib/records/sqlite', 'lib/collector/sql'],
  'node:child_process': ['lib/credentials', 'lib/builder/engines.ts'],
}

/** Values without I/O: hashes and the spelling of paths and addresses are all that they need of Node. */
const PURE_FOLDERS = ['lib/oci', 'lib/auth', 'lib/access']
const PURE_MODULES = ['node:crypto', 'node:net', 'node:buffer', 'node:path']

/** What belongs to the process as a whole and therefore to whoever starts it. */
const PROCESS_GLOBALS = /\bconsole\.|\bprocess\.(?:env|argv|exit|exitCode|stdin|stdout|stderr|chdir|cwd|on|once)\b/

/** Ways to a terminal that take any text: of Node, and of oclif's commands. */
const RAW_PRINTING = /\bconsole\.|\b(?:stdout|stderr)\.write\(|\bthis\.(?:log|logToStderr|logJson|warn|error)\(/
/** The second one has words of ours alone, for a process that does not end. */
const PRINTERS = ['lib/cli/output.ts', 'lib/cli/last-resort.ts']
const AS_ESCAPED = /\bas (?:unknown as )?TerminalText\b/

interface SourceFile {
  /** Relative to src, with `/`. */
  readonly path: string
  readonly code: string
  readonly imports: readonly string[]
}

const FILES = readdirSync(SRC, {recursive: true, withFileTypes: true})
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => readSource(join(entry.parentPath, entry.name)))

describe('the imports of src', () => {
  it('are found: the files that these rules are about exist', () => {
    assert.ok(FILES.length > 50, `only ${FILES.length} files`)
    const manifest = FILES.find(({path}) => path === 'lib/oci/manifest.ts')
    assert.ok(manifest?.imports.includes('lib/core/errors.ts'), 'the reader of imports does not see a plain import')
  })

  it('stay within the folders of the table', () => {
    const folders = new Set(FILES.map(({path}) => path.split('/')).flatMap(([top, folder]) => (top === 'lib' && folder ? [folder] : [])))
    assert.deepEqual([...folders].filter((folder) => MAY_IMPORT[folder] === undefined).sort(), [])
  })

  it('run downwards only', () => {
    const wrong = FILES.flatMap(({path, imports}) =>
      imports.filter((imported) => !isAllowed(path, imported)).map((imported) => `${path} imports ${imported}`),
    )
    assert.deepEqual(wrong, [])
  })

  it('take each package from its one home', () => {
    const wrong = FILES.flatMap(({path, imports}) =>
      imports
        .map(packageOf)
        .filter((name) => name !== undefined)
        .filter((name) => {
          const homes = HOMES[name]
          if (homes === undefined) return !name.startsWith('node:')
          return !homes.some((home) => path === home || path.startsWith(`${home}/`))
        })
        .map((name) => `${path} imports ${name}`),
    )
    assert.deepEqual(wrong, [])
  })

  it('bring no I/O to values', () => {
    const wrong = FILES.filter(({path}) => PURE_FOLDERS.some((folder) => path.startsWith(`${folder}/`))).flatMap(({path, imports}) =>
      imports
        .map(packageOf)
        .filter((name) => name !== undefined && !PURE_MODULES.includes(name))
        .map((name) => `${path} imports ${name}`),
    )
    assert.deepEqual(wrong, [])
  })

  it('form no circle between folders', () => {
    const below = new Set<string>()
    for (const [folder, allowed] of Object.entries(MAY_IMPORT)) {
      assert.deepEqual(
        allowed.filter((name) => !below.has(name)),
        [],
        `${folder} lists a folder that is not below it`,
      )
      below.add(folder)
    }
  })
})

describe('the library', () => {
  it('neither prints, nor reads the environment or arguments, nor ends the process; the CLI does', () => {
    const wrong = FILES.filter(({path}) => path.startsWith('lib/') && !path.startsWith('lib/cli/')).flatMap(({path, code}) =>
      code
        .split('\n')
        .filter((line) => PROCESS_GLOBALS.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    )
    assert.deepEqual(wrong, [])
  })

  it('collects what arrives in pieces in one place only, which keeps no object for a piece', () => {
    // These join a number of parts that they know beforehand.
    const joinsKnownParts = ['lib/credentials/keychain/split-items.ts']
    const wrong = FILES.filter(({path, code}) => /\bBuffer\.concat\(/.test(code) && !joinsKnownParts.includes(path))
    assert.deepEqual(
      wrong.map(({path}) => path),
      [],
    )
  })

  it('makes directories by makeDirectory alone: the recursive mkdir of Node never ends below /proc', () => {
    const wrong = FILES.filter(({path, code}) => path !== 'lib/core/make-directory.ts' && /\bmkdir(?:Sync)?\b|\bcp(?:Sync)?\(/.test(code))
    assert.deepEqual(
      wrong.map(({path}) => path),
      [],
    )
  })

  it('reads files through core/regular-file.ts alone: a pipe, a device or an endless file must hold up no command', () => {
    // The thread is a text of its own and reads what we write; a directory is opened to be synchronized.
    const others = ['lib/core/regular-file.ts', 'lib/content/disk/hash-thread.ts', 'lib/content/disk/durable.ts']
    const importsReader =
      /\{[^}]*\b(?:readFile|readFileSync|createReadStream|openSync|openAsBlob)\b[^}]*\}(?:\s*=.*import\(|\s*from\s*)'node:fs/
    const wrong = FILES.filter(
      ({path, code}) => path.startsWith('lib/') && !others.includes(path) && (importsReader.test(code) || /\bopen\(.*'r'\)/.test(code)),
    )
    assert.deepEqual(
      wrong.map(({path}) => path),
      [],
    )
  })

  it('asks the system for the user in one place, which works for a user id that it does not know', () => {
    const wrong = FILES.filter(({path, code}) => path !== 'lib/cli/home-directory.ts' && /\b(?:homedir|userInfo)\b/.test(code))
    assert.deepEqual(
      wrong.map(({path}) => path),
      [],
    )
  })

  it('sends a terminal what was escaped, since one file prints and one escapes', () => {
    const wrong = FILES.filter(({path}) => path.startsWith('lib/cli/') || path.startsWith('commands/')).flatMap(({path, code}) => [
      ...(RAW_PRINTING.test(code) && !PRINTERS.includes(path) ? [`${path} prints`] : []),
      ...(AS_ESCAPED.test(code) && path !== 'lib/cli/paint.ts' ? [`${path} calls something escaped`] : []),
    ])
    assert.deepEqual(wrong, [])
    assert.ok(
      FILES.some(({path, code}) => path === 'lib/cli/output.ts' && RAW_PRINTING.test(code)),
      'the rule finds no printing',
    )
  })

  it('has no folder or file for things without a name', () => {
    const nameless = FILES.filter(({path}) => /(?:^|\/)(?:utils?|helpers|common|misc|index)(?:\/|\.ts$)/.test(path))
    assert.deepEqual(
      nameless.map(({path}) => path),
      [],
    )
  })
})

function readSource(file: string): SourceFile {
  const code = withoutComments(readFileSync(file, 'utf8'))
  const specifiers = [
    ...code.matchAll(/^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm),
    ...code.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm),
    ...code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g),
  ].map(([, specifier = '']) => specifier)
  const local = (specifier: string): string => toPath(relative(SRC, resolve(dirname(file), specifier)))
  return {
    path: toPath(relative(SRC, file)),
    code,
    imports: specifiers.map((specifier) => (specifier.startsWith('.') ? local(specifier) : specifier)),
  }
}

/** Good enough for code that Biome has formatted: comments begin a line or follow a space. */
function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

function toPath(path: string): string {
  return path.replaceAll('\\', '/')
}

/** The npm package or the module of Node that is imported; undefined for a file of ours. */
function packageOf(specifier: string): string | undefined {
  if (/^(?:lib|commands|\.\.)\/|\.ts$/.test(specifier)) return undefined
  if (specifier.startsWith('node:')) return specifier.split('/')[0]
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

function isAllowed(path: string, imported: string): boolean {
  if (packageOf(imported) !== undefined) return true
  const [fromTop, fromFolder = ''] = path.split('/')
  const [toTop, toFolder = ''] = imported.split('/')
  // Programs know everything; commands know the library; files beside src (package.json) are data.
  if (!path.includes('/')) return true
  if (fromTop === 'commands') return toTop === 'lib' || toTop === 'commands'
  if (fromTop !== 'lib' || toTop !== 'lib') return false
  return fromFolder === toFolder || (MAY_IMPORT[fromFolder] ?? []).includes(toFolder)
}
