// `node scripts/start.mjs FILE [ARGUMENT…]`: installs what is missing or differs from the lockfile, then runs FILE on the Node of this checkout.
// Starts that Node by its path: a shell that ran another `node` before may remember the other one. Plain JavaScript for any Node from 18 on.
import {linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {basename, dirname, join, resolve} from 'node:path'
import process from 'node:process'
import {setTimeout as sleep} from 'node:timers/promises'
import {fileURLToPath} from 'node:url'
import {findBundledNode, runProgram} from '../bin/old-node.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** Not below `node_modules`, which `npm ci` empties. */
const LOCK = join(ROOT, '.tmp', 'install.lock')
const LOCK_TIMEOUT_MS = 600_000
const POLL_MS = 100
/** Installs all that the checkout needs, even if NODE_ENV or the user's settings omit some of it. */
const INSTALL = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error']
const EXIT_USAGE = 2
const EXIT_CONFIGURATION = 10

/** What the user is told, in one line. */
class StartError extends Error {
  constructor(message, hint, exitCode = EXIT_CONFIGURATION) {
    super(`${message}; ${hint}`)
    this.exitCode = exitCode
  }
}

async function start([file, ...args]) {
  if (file === undefined) throw new StartError('cannot start: no file is named', 'node scripts/start.mjs FILE [ARGUMENT…]', EXIT_USAGE)
  if (!isInstalled()) await whileLocked(async () => isInstalled() || (await install()))
  const node = findNode()
  if (node === undefined) {
    const platform = `${process.platform}-${process.arch}`
    const reason = `npm brought no Node for ${platform}, and this is Node ${process.versions.node}`
    throw new StartError(`cannot start "${file}": ${reason}`, `install Node ${readEngine()}: https://nodejs.org`)
  }
  try {
    return await runProgram(node, [resolve(ROOT, file), ...args])
  } catch (error) {
    throw new StartError(`cannot start "${file}": ${error.message}`, `install Node ${readEngine()}: https://nodejs.org`)
  }
}

/** Returns whether npm's record of `node_modules` agrees with the lockfile, and there is a Node. */
function isInstalled() {
  const wanted = readPackages('package-lock.json')
  const found = readPackages('node_modules/.package-lock.json')
  if (wanted === undefined || found === undefined || findNode() === undefined) return false
  const isAsWanted = ([path, {version, integrity, ...entry}]) =>
    path in found ? found[path].version === version && found[path].integrity === integrity : path === '' || isOptionalHere(entry)
  return (
    Object.entries(wanted).every(isAsWanted) && Object.entries(found).every(([path, {extraneous}]) => path in wanted || extraneous === true)
  )
}

/** Returns whether npm may have omitted a package: it is optional, and not one that is made for this platform. */
function isOptionalHere({optional, os, cpu, libc}) {
  const isForHere = [os].flat().includes(process.platform) && [cpu].flat().includes(process.arch) && libc === undefined
  return optional === true && !isForHere
}

/** Returns the packages of a lockfile by path, or undefined if it cannot be read. */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(join(ROOT, file), 'utf8')).packages
  } catch {
    return undefined
  }
}

/** Returns the Node that npm brought; on a platform for which there is none, the one that runs this, if it is new enough. */
function findNode() {
  const [oldestMajor, oldestMinor] = readEngine().match(/\d+/g).map(Number)
  const [major, minor] = process.versions.node.split('.').map(Number)
  const isNewEnough = major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)
  return findBundledNode(ROOT) ?? (isNewEnough ? process.execPath : undefined)
}

function readEngine() {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).engines.node
}

async function install() {
  process.stderr.write('installing dependencies (npm ci)\n')
  const {npm_execpath: npm = ''} = process.env
  // By its path as well: `node_modules/.bin/node`, which comes first in PATH, may be that of another platform.
  const [program, args] = basename(npm) === 'npm-cli.js' ? [process.execPath, [npm]] : ['npm', []]
  const shell = program === 'npm' && process.platform === 'win32'
  let exitCode
  try {
    // Standard output is that of the program.
    exitCode = await runProgram(program, [...args, ...INSTALL], {cwd: ROOT, stdio: ['ignore', 2, 2], shell})
  } catch (error) {
    throw new StartError(`cannot install the dependencies: npm does not start: ${error.message}`, 'install npm: https://nodejs.org')
  }
  if (exitCode !== 0)
    throw new StartError(`cannot install the dependencies: npm ci ended with exit code ${exitCode}`, 'npm ci --loglevel=verbose', exitCode)
}

/** Does the work while no other process of this checkout does. A lock whose process is gone counts as released. */
async function whileLocked(work) {
  await acquireLock()
  try {
    await work()
  } finally {
    rmSync(LOCK, {force: true})
  }
}

async function acquireLock() {
  for (let waitedMs = 0; !createLock(); waitedMs += POLL_MS) {
    const holder = readLock(LOCK)
    if (!isAlive(holder)) breakLock()
    else if (waitedMs === 0) process.stderr.write(`waiting for process ${holder}, which installs dependencies here\n`)
    else if (waitedMs >= LOCK_TIMEOUT_MS) {
      throw new StartError(`cannot install the dependencies: process ${holder} has not finished doing so`, `end it, then: rm '${LOCK}'`)
    }
    await sleep(POLL_MS)
  }
}

function createLock() {
  try {
    mkdirSync(dirname(LOCK), {recursive: true})
    writeFileSync(LOCK, String(process.pid), {flag: 'wx'})
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw new StartError(`cannot install the dependencies: ${error.message}`, 'use a checkout that you may write to')
  }
}

/** Removes the lock of a process that is gone, and puts it back if another process acquired it just now. */
function breakLock() {
  const broken = `${LOCK}.${process.pid}`
  try {
    renameSync(LOCK, broken)
  } catch {
    return
  }
  if (isAlive(readLock(broken))) linkSync(broken, LOCK)
  rmSync(broken)
}

/** Returns the id of the process that holds a lock; empty while the lock is written or when it is released. */
function readLock(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function isAlive(pid) {
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

try {
  process.exitCode = await start(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof StartError)) throw error
  process.stderr.write(`Error: ${error.message}\n`)
  process.exitCode = error.exitCode
}
