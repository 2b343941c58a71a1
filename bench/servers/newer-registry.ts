/** docker-registry 2.8.3 on a Debian that ships an older one: its hashing is fast enough for the client to show. */
import {execFile} from 'node:child_process'
import {access, mkdir, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'

/** The Debian release whose package runs on bookworm too; see docs/performance.md. */
const SUITE = 'trixie'
const PACKAGE = 'docker-registry'
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const SOURCES = '/etc/apt/sources.list.d/debian.sources'
const DOWNLOAD_TIMEOUT_MS = 120_000

/**
 * Brings the program into `cacheFolder` once, by apt from the mirror that this machine uses, without touching the system.
 * Answers its path, or undefined where that cannot be done (no Debian, no network).
 */
export async function fetchNewerRegistry(cacheFolder: string): Promise<string | undefined> {
  const program = join(cacheFolder, SUITE, 'usr/bin', PACKAGE)
  if (await exists(program)) return program
  const folder = join(cacheFolder, 'download')
  try {
    await download(folder, join(cacheFolder, SUITE))
    return (await exists(program)) ? program : undefined
  } catch {
    return undefined
  } finally {
    await rm(folder, {recursive: true, force: true})
  }
}

async function download(folder: string, unpackedFolder: string): Promise<void> {
  const mirror = /^URIs:\s*(\S+)/m.exec(await readFile(SOURCES, 'utf8'))?.[1]
  if (mirror === undefined) return
  const file = (name: string): string => join(folder, name)
  for (const name of ['lists/partial', 'cache/archives/partial', 'unpacked']) await mkdir(file(name), {recursive: true})
  await writeFile(file('sources.list'), `deb [signed-by=${KEYRING}] ${mirror} ${SUITE} main\n`)
  const settings = [
    `Dir::Etc::sourcelist "${file('sources.list')}";`,
    `Dir::Etc::sourceparts "${file('none')}";`,
    `Dir::State::Lists "${file('lists')}";`,
    `Dir::Cache "${file('cache')}";`,
    'APT::Sandbox::User "root";',
  ]
  await writeFile(file('apt.conf'), `${settings.join('\n')}\n`)
  const run = async (program: string, ...args: readonly string[]): Promise<void> => {
    const env = {...process.env, APT_CONFIG: file('apt.conf')}
    await promisify(execFile)(program, args, {cwd: folder, env, timeout: DOWNLOAD_TIMEOUT_MS})
  }
  await run('apt-get', '-qq', 'update')
  await run('apt-get', '-qq', 'download', `${PACKAGE}/${SUITE}`)
  const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'))
  if (archive === undefined) return
  await run('dpkg', '-x', archive, file('unpacked'))
  await rename(file('unpacked'), unpackedFolder)
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
