/** Bundles the program into `dist/`: one entry, and a chunk for whatever is imported only where it is used. */
import {mkdir, rm, writeFile} from 'node:fs/promises'
import {fileURLToPath} from 'node:url'
import {build} from 'esbuild'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DIST = `${ROOT}dist`

await rm(DIST, {recursive: true, force: true})
await mkdir(DIST, {recursive: true})
await build({
  absWorkingDir: ROOT,
  entryPoints: {main: 'src/main.ts'},
  outdir: DIST,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24.7',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'external',
  chunkNames: 'chunk-[hash]',
  // CommonJS packages inside an ES module need the `require` that they were written for.
  banner: {js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);"},
})
await writeFile(`${DIST}/package.json`, `${JSON.stringify({type: 'module'})}\n`)
console.log(`built ${DIST}`)
