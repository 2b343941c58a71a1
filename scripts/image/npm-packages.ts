/** What comes from npm: Node, the keychain binding, and Holdfast as it is published. */
import {createHash} from 'node:crypto'
import {existsSync} from 'node:fs'
import {mkdir, mkdtemp, readFile, symlink} from 'node:fs/promises'
import {join} from 'node:path'
import {HoldfastError, IntegrityError} from '../../src/lib/core/errors.ts'
import type {Architecture} from './debian.ts'
import {runTool} from './tool.ts'

/** Where Holdfast is in the image. */
const PROGRAM_FOLDER = 'opt/holdfast'
const LAUNCHERS = {holdfast: 'run.js', 'docker-credential-holdfast': 'docker-credential-holdfast.js'} as const
/** Node's names of the architectures. */
const NODE_ARCHITECTURE = {amd64: 'x64', arm64: 'arm64'} as const satisfies Record<Architecture, string>

interface LockedPackage {
  readonly name: string
  readonly version: string
  /** Of its archive: `sha512-` and base64. */
  readonly integrity: string
}

/** Puts Node into `root`, with its licences. */
export async function installNode(checkout: string, architecture: Architecture, root: string, work: string): Promise<void> {
  const node = await findLocked(checkout, `node-linux-${NODE_ARCHITECTURE[architecture]}`)
  const archive = await download(checkout, node, work)
  await extract(archive, join(root, 'usr'), 'package/bin/node')
  await extract(archive, join(root, 'usr/share/doc/node'), 'package/LICENSE')
}

/** Puts what `npm pack` makes of the checkout into `root`, with the dependencies for that architecture, and its programs into the PATH. */
export async function installHoldfast(checkout: string, architecture: Architecture, root: string, work: string): Promise<void> {
  const folder = join(root, PROGRAM_FOLDER)
  if (!existsSync(join(checkout, 'dist/main.cjs')))
    throw new HoldfastError('CONFIGURATION', 'cannot pack Holdfast: it is not built', {hints: ['npm run build']})
  await extract(await pack(checkout, work, 'pack Holdfast'), folder)
  // `keytar` is an alias: the names of its parts, one for each platform, follow that of the package itself.
  const keytar = await findLocked(checkout, 'keytar')
  const binding = await findLocked(checkout, `${keytar.name}-linux-${NODE_ARCHITECTURE[architecture]}-gnu`)
  await extract(await download(checkout, keytar, work), join(folder, 'node_modules/keytar'))
  await extract(await download(checkout, binding, work), join(folder, 'node_modules', binding.name))
  await mkdir(join(root, 'usr/bin'), {recursive: true})
  for (const [name, file] of Object.entries(LAUNCHERS)) await symlink(`../../${PROGRAM_FOLDER}/bin/${file}`, join(root, 'usr/bin', name))
}

/** What the lockfile says of a package. */
async function findLocked(checkout: string, path: string): Promise<LockedPackage> {
  const {packages}: {packages: Readonly<Record<string, Partial<LockedPackage>>>} = JSON.parse(
    await readFile(join(checkout, 'package-lock.json'), 'utf8'),
  )
  const {name = path, version, integrity} = packages[`node_modules/${path}`] ?? {}
  if (version === undefined || integrity === undefined)
    throw new HoldfastError('CONFIGURATION', `cannot add "${path}" to the image: package-lock.json does not have it`)
  return {name, version, integrity}
}

/** Returns the archive of a package. @throws {HoldfastError} NETWORK; INTEGRITY when it is not the one that the lockfile names. */
async function download(checkout: string, {name, version, integrity}: LockedPackage, work: string): Promise<string> {
  const file = await pack(checkout, work, `download the package "${name}"`, '--prefer-offline', `${name}@${version}`)
  const actual = `sha512-${createHash('sha512')
    .update(await readFile(file))
    .digest('base64')}`
  if (actual !== integrity)
    throw new IntegrityError(`cannot add "${name}" to the image: its archive is ${actual}, and the lockfile says ${integrity}`)
  return file
}

async function pack(checkout: string, work: string, purpose: string, ...args: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(work, 'npm-'))
  const printed = await runTool('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder, ...args], {
    cwd: checkout,
    purpose,
    code: 'NETWORK',
    hints: ['npm ping   # says whether npm reaches its registry'],
  })
  const [packed] = JSON.parse(printed) as {readonly filename: string}[]
  return join(folder, String(packed?.filename))
}

/** Unpacks an archive of npm, or some of its members, into a folder. Modes are set later. */
async function extract(archive: string, folder: string, ...members: readonly string[]): Promise<void> {
  await mkdir(folder, {recursive: true})
  const flags = ['--extract', '--gzip', '--no-same-owner', '--strip-components=1']
  await runTool('tar', [...flags, '--file', archive, '--directory', folder, ...members], {purpose: 'unpack a package of npm'})
}
