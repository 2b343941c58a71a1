/** The genuine PostgreSQL with a cluster of its own, on a free port of loopback. */
import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {chown, mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {spawnChild} from './child-process.ts'
import {freePort} from './free-port.ts'
import {PATIENCE_MS} from './patience.ts'
import {findProgram} from './required-program.ts'
import {run, runOk} from './run-program.ts'
import {createTemporaryDirectory} from './temporary-directory.ts'

const PASSWORD = 'postgres'
/** PostgreSQL does not run as root; this user owns nothing. */
const NOBODY = 65534

export interface Postgres {
  /** Makes an empty database; answers its URL. */
  createDatabase(name: string): Promise<string>
  stop(): Promise<void>
}

export async function startPostgres(): Promise<Postgres> {
  const [initdb, server] = ['initdb', 'postgres'].map(findProgram)
  if (initdb === undefined || server === undefined) throw new Error('PostgreSQL is not installed')
  const directory = await createTemporaryDirectory('postgres')
  const isRoot = process.getuid?.() === 0
  const passwordFile = join(directory.path, 'password')
  await writeFile(passwordFile, PASSWORD)
  const home = join(directory.path, 'home')
  await mkdir(home)
  if (isRoot) for (const path of [directory.path, passwordFile, home]) await chown(path, NOBODY, NOBODY)
  const cluster = join(home, 'cluster')
  const asUser = (program: string, args: readonly string[]): [string, string[]] =>
    isRoot ? ['setpriv', [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', program, ...args]] : [program, [...args]]
  const env = {PATH: process.env.PATH, HOME: home, LC_ALL: 'C.UTF-8'}
  await runOk(...asUser(initdb, ['-D', cluster, '-A', 'scram-sha-256', '-U', 'postgres', `--pwfile=${passwordFile}`, '--no-sync']), {
    env,
    cwd: home,
  })
  const port = await freePort()
  const flags = ['-D', cluster, '-p', String(port), '-h', '127.0.0.1', '-k', home, '-c', 'fsync=off']
  const [program, args] = asUser(server, flags)
  const child: ChildProcess = spawnChild(program, args, {env, cwd: home, stdio: 'ignore'})
  const url = (database: string): string => `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/${database}`
  const {Client} = (await import('pg')).default
  const query = async (statement: string): Promise<void> => {
    const client = new Client({connectionString: url('postgres')})
    await client.connect()
    await client.query(statement)
    await client.end()
  }
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    try {
      await query('SELECT 1')
      break
    } catch (error) {
      if (Date.now() > end || child.exitCode !== null) throw error
      await run('sleep', ['0.05'])
    }
  }
  return {
    async createDatabase(name) {
      await query(`CREATE DATABASE "${name}"`)
      return url(name)
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        // Immediate shutdown: nothing of it is kept.
        child.kill('SIGQUIT')
        await once(child, 'exit')
      }
      await directory.remove()
    },
  }
}
