// Installs what is missing or older than the lockfile, so that `npm test` and `npm run quickstart` work on a fresh clone. Runs on any Node from 20 on.
import {spawnSync} from 'node:child_process'
import {existsSync, statSync} from 'node:fs'
import process from 'node:process'
import {fileURLToPath} from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
/** npm writes it last. */
const installed = `${root}node_modules/.package-lock.json`
const lock = `${root}package-lock.json`

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  process.stderr.write('installing dependencies (npm ci)\n')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  process.exitCode = npm.status ?? 1
}
