// Where Node keeps the compiled bundle: a folder that belongs to this user and that no other user can change. What lies there is executed as it is, so without such a folder there is no cache.
'use strict'
const {lstatSync, mkdirSync, realpathSync} = require('node:fs')
const module_ = require('node:module')
const {homedir} = require('node:os')
const {dirname, isAbsolute, join} = require('node:path')

const PRIVATE = 0o700
const OTHERS_MAY_WRITE = 0o022
const ANY_OTHERS = 0o077
const STICKY = 0o1000

/** Turns the cache on. A folder that the user names with NODE_COMPILE_CACHE is in use already: Node itself has opened it. */
exports.useCompileCache = () => {
  if (process.env.NODE_DISABLE_COMPILE_CACHE || module_.getCompileCacheDir() !== undefined) return
  const folder = privateCacheFolder()
  if (folder !== undefined) module_.enableCompileCache(folder)
}

/** The folder, made where it is missing; undefined where another user could put something into it. */
function privateCacheFolder() {
  try {
    const caches = cachesOfUser()
    if (caches === undefined) return undefined
    // One by one: the home itself is not ours to make.
    makeFolder(caches)
    const own = join(realpathSync(caches), 'holdfast')
    makeFolder(own)
    return isPrivate(own) ? own : undefined
  } catch {
    return undefined
  }
}

function cachesOfUser() {
  const {XDG_CACHE_HOME, LOCALAPPDATA} = process.env
  if (process.platform === 'win32') return absolute(LOCALAPPDATA)
  if (process.platform === 'darwin') return absolute(homedir(), 'Library', 'Caches')
  return absolute(XDG_CACHE_HOME) ?? absolute(homedir(), '.cache')
}

function absolute(folder, ...names) {
  return folder && isAbsolute(folder) ? join(folder, ...names) : undefined
}

function makeFolder(folder) {
  try {
    mkdirSync(folder, PRIVATE)
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
  }
}

/** `folder` has no symbolic link above it. On Windows the folder for local data is the user's by its access control list. */
function isPrivate(folder) {
  const own = lstatSync(folder)
  if (!own.isDirectory()) return false
  if (process.platform === 'win32') return true
  const user = process.geteuid()
  if (own.uid !== user || (own.mode & ANY_OTHERS) !== 0) return false
  // Who may write into a folder above can put another one in its place, except where the sticky bit keeps them from it.
  for (let path = folder; path !== dirname(path); ) {
    path = dirname(path)
    const {uid, mode} = lstatSync(path)
    if (uid !== user && uid !== 0) return false
    if ((mode & OTHERS_MAY_WRITE) !== 0 && (mode & STICKY) === 0) return false
  }
  return true
}
