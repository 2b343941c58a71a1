/** The lowest layer: what Node needs of Debian, and no more. There is no shell in it. */
import {chmod, mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {HoldfastError} from '../../src/lib/core/errors.ts'
import {runTool} from './tool.ts'

export type Architecture = 'amd64' | 'arm64'

/** The first one has the folders of the others. Coreutils are here for `env`, which starts Holdfast, and for `sleep`, which Kubernetes starts before the end. */
const PACKAGES = ['base-files', 'libc6', 'libgcc-s1', 'libstdc++6', 'ca-certificates', 'coreutils']
/** Holds the licence of the libraries of GCC; its name has the version of GCC. */
const GCC_BASE = /\bgcc-[0-9]+-base\b/
const KEPT_PROGRAMS = ['env', 'sleep']
const PROGRAM_FOLDERS = ['bin', 'sbin', 'usr/bin', 'usr/sbin']

/** The user of the image: the id that images without a distribution's users share. */
export const USER_ID = 65_532
export const HOME = '/home/holdfast'

const TEMPORARY_FOLDERS = ['tmp', 'var/tmp']
const SHARED_FOLDER = 0o1777

/** What the settings of this machine must not add to: it would run programs that change the machine, or bring packages of other architectures. */
const CLEARED_SETTINGS = ['APT::Architectures', 'APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success']

const ACCOUNT_FILES = {
  'etc/passwd': `root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
holdfast:x:${USER_ID}:${USER_ID}:Holdfast:${HOME}:/sbin/nologin
`,
  'etc/group': `root:x:0:
nogroup:x:65534:
holdfast:x:${USER_ID}:
`,
  'etc/nsswitch.conf': `passwd: files
group: files
hosts: files dns
`,
} as const

/**
 * Downloads the packages with apt, which checks Debian's signatures, and unpacks what is needed of them into `root`.
 * @param sources A file of apt that names where packages are.
 * @throws {HoldfastError} NETWORK when a package cannot be had.
 */
export async function unpackDebian(architecture: Architecture, root: string, work: string, sources: string): Promise<void> {
  const files = await downloadPackages(architecture, work, sources)
  await mkdir(root, {recursive: true})
  const purpose = 'unpack packages of Debian'
  for (const [name, file] of files) {
    await runTool('dpkg-deb', ['--extract', file, root], {purpose})
    const status = join(root, 'var/lib/dpkg/status.d')
    await mkdir(status, {recursive: true})
    // Scanners for vulnerabilities read here what is installed.
    await writeFile(join(status, name), await runTool('dpkg-deb', ['--field', file], {purpose}))
  }
  await installCertificates(root)
  await removeUnneeded(root)
  for (const [name, content] of Object.entries(ACCOUNT_FILES)) await writeFile(join(root, name), content)
  await mkdir(join(root, 'home'), {recursive: true})
}

/** Lets every user write temporary files. Call it after `normalizeModes`, which would end that. */
export async function openTemporaryFolders(root: string): Promise<void> {
  for (const folder of TEMPORARY_FOLDERS) {
    await mkdir(join(root, folder), {recursive: true})
    await chmod(join(root, folder), SHARED_FOLDER)
  }
}

/** Returns the file of each package, in the order in which they are unpacked. */
async function downloadPackages(architecture: Architecture, work: string, sources: string): Promise<ReadonlyMap<string, string>> {
  const debs = join(work, 'debs')
  for (const folder of ['lists/partial', 'cache/archives/partial', 'debs']) await mkdir(join(work, folder), {recursive: true})
  const settings = join(work, 'apt.conf')
  await writeFile(settings, CLEARED_SETTINGS.map((name) => `#clear ${name};\n`).join(''))
  const options = {
    cwd: debs,
    purpose: `download packages of Debian for ${architecture}`,
    code: 'NETWORK',
    hints: ['npm run image -- --apt-sources FILE   # sources of Debian that this machine reaches'],
  } as const
  const apt = (...args: readonly string[]) =>
    runTool('apt-get', ['--config-file', settings, ...aptSettings(architecture, work, sources), ...args], options)
  await apt('update')
  await apt('download', ...PACKAGES)
  const fileOf = async (name: string): Promise<string> => {
    const found = (await readdir(debs)).find((file) => file.startsWith(`${name}_`) && file.endsWith('.deb'))
    if (found === undefined) throw new HoldfastError('NETWORK', `cannot ${options.purpose}: apt-get brought no "${name}"`)
    return join(debs, found)
  }
  const dependencies = await runTool('dpkg-deb', ['--field', await fileOf('libgcc-s1'), 'Depends'], options)
  const [gccBase] = GCC_BASE.exec(dependencies) ?? []
  if (gccBase !== undefined) await apt('download', gccBase)
  const files = new Map<string, string>()
  for (const name of gccBase === undefined ? PACKAGES : [...PACKAGES, gccBase]) files.set(name, await fileOf(name))
  return files
}

/** apt with state of its own: nothing of this machine is changed, and its settings, such as a proxy, apply. */
function aptSettings(architecture: Architecture, work: string, sources: string): readonly string[] {
  const settings = {
    'APT::Architecture': architecture,
    'APT::Architectures::': architecture,
    'APT::Sandbox::User': 'root',
    // Otherwise apt goes on with the lists that it has.
    'APT::Update::Error-Mode': 'any',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    'Dir::Cache': join(work, 'cache'),
    'Dir::Etc::SourceList': sources,
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State': work,
    'Dir::State::Lists': join(work, 'lists'),
    'Dir::State::Status': '/dev/null',
  }
  return ['--quiet', ...Object.entries(settings).flatMap(([name, value]) => ['--option', `${name}=${value}`])]
}

/** What the package does when it is installed: one file of all authorities. */
async function installCertificates(root: string): Promise<void> {
  const folder = join(root, 'usr/share/ca-certificates/mozilla')
  const names = (await readdir(folder)).filter((name) => name.endsWith('.crt')).sort()
  const certificates = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  await mkdir(join(root, 'etc/ssl/certs'), {recursive: true})
  await writeFile(join(root, 'etc/ssl/certs/ca-certificates.crt'), certificates.join(''))
}

async function removeUnneeded(root: string): Promise<void> {
  for (const folder of PROGRAM_FOLDERS) await keepOnly(join(root, folder), (name) => KEPT_PROGRAMS.includes(name))
  await rm(join(root, 'usr/libexec'), {recursive: true, force: true})
  const share = join(root, 'usr/share')
  await keepOnly(share, (name) => name === 'doc')
  for (const name of await readdir(join(share, 'doc'))) await keepOnly(join(share, 'doc', name), (file) => file === 'copyright')
  for (const entry of await readdir(join(root, 'usr/lib'), {recursive: true}))
    if (/(?:^|\/)(?:gconv|locale)$/.test(entry)) await rm(join(root, 'usr/lib', entry), {recursive: true, force: true})
}

/** A folder that is missing stays so. */
async function keepOnly(folder: string, isKept: (name: string) => boolean): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  for (const name of names) if (!isKept(name)) await rm(join(folder, name), {recursive: true})
}
