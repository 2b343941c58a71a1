/**
 * The bundle: one CommonJS file with the whole program, since that starts fastest, and a module for each package that is loaded only where it shows
 * (prompts, spinner, colours). Nothing is left to be installed.
 */
import {rm} from 'node:fs/promises'
import {join} from 'node:path'
import {type BuildOptions, build, type Plugin} from 'esbuild'
import {startFaster} from './start-faster.ts'

/** Packages of their own module: large, and not needed by most runs. */
const LAZY_PACKAGES = ['chalk', 'inquirer', 'ora', 'undici']

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/

const COMMON: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node24.7',
  minify: true,
  legalComments: 'linked',
  logLevel: 'warning',
}

/** Writes the bundle into `folder`, which is emptied before. */
export async function bundle(root: string, folder: string): Promise<void> {
  await rm(folder, {recursive: true, force: true})
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
    plugins: [leaveOut(LAZY_PACKAGES), startFaster()],
  })
  for (const name of LAZY_PACKAGES) await bundlePackage(root, name, join(folder, 'packages', `${name}.mjs`))
}

/** A package as one ES module; its exports are named one by one, since those of a CommonJS package cannot be seen in its text. */
async function bundlePackage(root: string, name: string, outfile: string): Promise<void> {
  const loaded: object = await import(name)
  const names = Object.keys(loaded).filter((exported) => IDENTIFIER.test(exported))
  await build({
    ...COMMON,
    stdin: {contents: `export {${names.join(', ')}} from '${name}'`, resolveDir: root},
    outfile,
    format: 'esm',
    // CommonJS packages inside an ES module ask for built-in modules with the `require` that they were written for.
    banner: {js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);"},
  })
}

/** Lets dynamic imports of these packages be imports of their own modules. */
function leaveOut(packages: readonly string[]): Plugin {
  return {
    name: 'leave-out',
    setup({onResolve}) {
      onResolve({filter: new RegExp(`^(?:${packages.join('|')})$`)}, ({path, kind, importer}) => {
        if (kind === 'dynamic-import') return {path: `./packages/${path}.mjs`, external: true}
        return importer.includes('node_modules')
          ? undefined
          : {errors: [{text: `${path} must be imported where it is used, not at the top`}]}
      })
    },
  }
}
