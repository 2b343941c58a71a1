/**
 * The bundle: one CommonJS file with the whole program, since that starts fastest, and a module for each package that is loaded only where it shows
 * (prompts, spinner, colours). Nothing is left to be installed.
 */
import {mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {dirname, join, relative} from 'node:path'
import {type BuildOptions, build, type Plugin} from 'esbuild'
import {startFaster} from './start-faster.ts'

/** Packages of their own module: large, and not needed by most runs; each with what else of it is imported. */
const LAZY_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@fastify/formbody': [],
  '@peculiar/x509': ['reflect-metadata'],
  aws4fetch: [],
  chalk: [],
  fastify: [],
  fflate: [],
  inquirer: [],
  jose: [],
  kysely: ['kysely/migration'],
  ldapts: [],
  'lru-cache': [],
  ora: [],
  pg: [],
  'prom-client': [],
  semver: [],
  typebox: ['typebox/compile'],
  undici: [],
  yaml: [],
}

/** Imported at the top of files that are loaded late themselves: those of the collector and of mirrors. */
const IMPORTED_AT_THE_TOP = ['@fastify/formbody', '@peculiar/x509', 'fastify', 'kysely', 'lru-cache', 'prom-client', 'typebox', 'yaml']

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/

const COMMON: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node24.7',
  minify: true,
  legalComments: 'linked',
  logLevel: 'warning',
}

/** Writes the bundle into `folder` and removes what was there. A program that runs from it, or another build, misses no file meanwhile. */
export async function bundle(root: string, folder: string): Promise<void> {
  await mkdir(join(root, '.tmp'), {recursive: true})
  const fresh = await mkdtemp(join(root, '.tmp', 'dist-'))
  try {
    await bundleInto(root, fresh)
    await replaceFiles(folder, fresh)
  } finally {
    await rm(fresh, {recursive: true, force: true})
  }
}

/** Moves the files of `fresh` to their places in `folder`, and then removes the others. */
async function replaceFiles(folder: string, fresh: string): Promise<void> {
  const files = await listFiles(fresh)
  for (const file of files) {
    await mkdir(dirname(join(folder, file)), {recursive: true})
    await rename(join(fresh, file), join(folder, file))
  }
  const old = (await listFiles(folder)).filter((file) => !files.includes(file))
  for (const file of old) await rm(join(folder, file), {force: true})
}

/** The files below a folder, relative to it. */
async function listFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, {recursive: true, withFileTypes: true})
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)))
}

async function bundleInto(root: string, folder: string): Promise<void> {
  const programs: BuildOptions = {
    ...COMMON,
    absWorkingDir: root,
    external: ['keytar'],
    outdir: folder,
    outExtension: {'.js': '.cjs'},
    format: 'cjs',
  }
  await build({
    ...programs,
    entryPoints: {'keychain-process': 'src/keychain-process.ts', 'docker-credential': 'src/docker-credential.ts'},
    // What they load late is CommonJS or Node's own: `require` spares them the loader of ES modules, some milliseconds of their few.
    supported: {'dynamic-import': false},
  })
  await build({
    ...programs,
    entryPoints: {main: 'src/main.ts'},
    define: {'import.meta.url': 'moduleUrl'},
    banner: {js: "const moduleUrl=require('node:url').pathToFileURL(__filename).href;"},
    plugins: [leaveOut(), startFaster()],
  })
  await escapeNonAscii(join(folder, 'main.cjs'))
  for (const [name, parts] of Object.entries(LAZY_PACKAGES))
    await bundlePackage(root, [name, ...parts], join(folder, 'packages', fileOf(name)))
}

/**
 * Writes as `\uXXXX` what esbuild leaves in tagged templates. One character beyond Latin-1 makes V8 keep the whole source in two bytes per character:
 * 10 MB and 30 ms of every run.
 */
async function escapeNonAscii(file: string): Promise<void> {
  const source = await readFile(file, 'utf8')
  const ascii = source.replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
  await writeFile(file, ascii)
}

/** A package as one ES module; its exports are named one by one, since those of a CommonJS package cannot be seen in its text. */
async function bundlePackage(root: string, paths: readonly string[], outfile: string): Promise<void> {
  const exported = new Map<string, string>()
  // What goes with a package may have to be there before it.
  for (const path of paths.toReversed()) await import(path)
  for (const path of paths) {
    for (const name of Object.keys(await import(path))) if (IDENTIFIER.test(name) && !exported.has(name)) exported.set(name, path)
  }
  const imports = paths.slice(1).map((path) => `import '${path}'`)
  const exports = [...exported].map(([name, path]) => `export {${name}} from '${path}'`)
  await build({
    ...COMMON,
    stdin: {contents: [...imports, ...exports].join('\n'), resolveDir: root},
    outfile,
    // A part without side effects need not come first.
    logOverride: {'ignored-bare-import': 'silent'},
    format: 'esm',
    // CommonJS packages inside an ES module ask for built-in modules with the `require` that they were written for.
    banner: {js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);"},
  })
}

/** `@scope/name` in one folder with the others. */
function fileOf(name: string): string {
  return `${name.replace('@', '').replace('/', '-')}.mjs`
}

/** Lets imports of these packages be imports of their own modules. */
function leaveOut(): Plugin {
  const packageOf = new Map(Object.entries(LAZY_PACKAGES).flatMap(([name, parts]) => [name, ...parts].map((path) => [path, name] as const)))
  return {
    name: 'leave-out',
    setup({onResolve}) {
      onResolve({filter: new RegExp(`^(?:${[...packageOf.keys()].join('|')})$`)}, ({path, kind, importer}) => {
        const name = packageOf.get(path) ?? path
        if (importer.includes('node_modules')) return undefined
        if (kind === 'dynamic-import' || IMPORTED_AT_THE_TOP.includes(name)) return {path: `./packages/${fileOf(name)}`, external: true}
        return {errors: [{text: `${path} must be imported where it is used, not at the top`}]}
      })
    },
  }
}
