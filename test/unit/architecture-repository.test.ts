/** What no file of the repository may hold. */
import assert from 'node:assert/strict'
import {readdirSync, readFileSync} from 'node:fs'
import {homedir} from 'node:os'
import {join, relative} from 'node:path'
import {fileURLToPath} from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '')
const MADE_BY_TOOLS = new Set(['.git', 'node_modules', 'dist', 'coverage', '.tmp'])
const SHORTEST_PATH = 5

const FILES = listFiles(ROOT)

describe('the repository', () => {
  it('names no path of the machine that it was written on', () => {
    const paths = [ROOT, homedir()].filter((path) => path.length >= SHORTEST_PATH).map((path) => `${path}/`)
    const wrong = FILES.filter((file) => {
      const text = readFileSync(file, 'latin1')
      return paths.some((path) => text.includes(path))
    })
    assert.deepEqual(
      wrong.map((file) => relative(ROOT, file)),
      [],
    )
  })

  it('locks packages by name, version and hash, never by the host of a registry: every machine has its own', () => {
    const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, {resolved?: string; link?: boolean; version?: string; integrity?: string}>
    }
    const installed = Object.entries(lock.packages).filter(([path, entry]) => path.startsWith('node_modules/') && !entry.link)
    assert.ok(installed.length > 10)
    assert.deepEqual(
      installed.filter(([, entry]) => entry.resolved !== undefined).map(([path, entry]) => `${path}: ${entry.resolved}`),
      [],
    )
    assert.deepEqual(
      installed.filter(([, entry]) => entry.version === undefined).map(([path]) => path),
      [],
    )
  })
})

function listFiles(folder: string): readonly string[] {
  return readdirSync(folder, {withFileTypes: true})
    .filter((entry) => !MADE_BY_TOOLS.has(entry.name))
    .flatMap((entry) => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return listFiles(path)
      return entry.isFile() ? [path] : []
    })
}
