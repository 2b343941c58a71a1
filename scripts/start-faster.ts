/** Takes work out of the program's start that most runs have no use for; measured together: about 20 ms of 60. */
import {readFile} from 'node:fs/promises'
import {createRequire, isBuiltin} from 'node:module'
import {join} from 'node:path'
import type {Plugin} from 'esbuild'

/** The first `localeCompare` of a process loads the collation tables of ICU; command ids are ASCII. */
const BY_LOCALE = 'a.id.localeCompare(b.id)'
const BY_CODE_UNIT = '(a.id<b.id?-1:a.id>b.id?1:0)'

/** Loaded when one of their functions is first called, not when the file that names them is. */
const LATE_MODULES = [
  'ansi-escapes',
  'clean-stack',
  'ejs',
  'indent-string',
  'lilconfig',
  'minimatch',
  'node:child_process',
  'node:crypto',
  'node:dns/promises',
  'node:fs/promises',
  'node:readline',
  'node:tls',
  'tinyglobby',
  'wordwrap',
  'wrap-ansi',
]
const LATE = 'late'

/** oclif's own tracing: nothing unless the user asks for it with DEBUG. */
const QUIET_DEBUG = `module.exports = process.env.DEBUG
  ? require('debug')
  : () => Object.assign(() => {}, {enabled: false, extend: module.exports})`
const QUIET = 'quiet-debug'

/** @throws (as an error of the build) when oclif has changed, so that this is looked at again. */
export function startFaster(): Plugin {
  return {
    name: 'start-faster',
    setup({onLoad, onResolve}) {
      onLoad({filter: /@oclif[\\/]core[\\/]lib[\\/]config[\\/]plugin\.js$/}, async ({path}) => {
        const text = await readFile(path, 'utf8')
        if (!text.includes(BY_LOCALE)) return {errors: [{text: `${path} no longer sorts commands by locale`}]}
        return {contents: text.replace(BY_LOCALE, BY_CODE_UNIT)}
      })
      // Tells Windows' subsystem for Linux from Linux, which nothing here depends on.
      onResolve({filter: /^wsl-utils$/}, () => ({path: 'wsl-utils', namespace: 'no-wsl'}))
      onLoad({filter: /.*/, namespace: 'no-wsl'}, () => ({contents: 'export const isWsl = false'}))

      onResolve({filter: /^debug$/}, ({namespace}) => (namespace === QUIET ? undefined : {path: 'debug', namespace: QUIET}))
      onLoad({filter: /.*/, namespace: QUIET}, () => ({contents: QUIET_DEBUG, resolveDir: import.meta.dirname}))

      onResolve({filter: new RegExp(`^(?:${LATE_MODULES.join('|')})$`)}, ({path, namespace, kind, resolveDir}) => {
        if (namespace === LATE || kind === 'dynamic-import') return undefined
        return {path: isBuiltin(path) ? path : createRequire(join(resolveDir, 'importer.js')).resolve(path), namespace: LATE}
      })
      onLoad({filter: /.*/, namespace: LATE}, ({path}) => ({contents: lateModule(path), resolveDir: import.meta.dirname}))
    },
  }
}

/** A CommonJS module with the exports of another one, which it loads when the first of them is asked for. */
function lateModule(path: string): string {
  const loaded: unknown = createRequire(import.meta.url)(path)
  const load = `const load = () => require(${JSON.stringify(path)})\n`
  if (typeof loaded === 'function') return `${load}module.exports = (...args) => load()(...args)`
  const marker = Reflect.get(Object(loaded), '__esModule') === true ? "Object.defineProperty(exports, '__esModule', {value: true})\n" : ''
  const getters = Object.keys(Object(loaded)).map(
    (name) => `Object.defineProperty(exports, '${name}', {enumerable: true, get: () => load()['${name}']})`,
  )
  return load + marker + getters.join('\n')
}
