/** Folders as layers whose bytes depend on nothing but names, modes and contents. */
import {createHash} from 'node:crypto'
import {createReadStream} from 'node:fs'
import {chmod, lstat, readdir} from 'node:fs/promises'
import {join} from 'node:path'
import {pipeline} from 'node:stream/promises'
import {type Digest, finishDigest} from '../../src/lib/oci/digest.ts'
import {runTool} from './tool.ts'

const FOLDER = 0o755
const PROGRAM = 0o755
const FILE = 0o644
const ANY_EXECUTE = 0o111
const PURPOSE = 'write a layer of the image'

export interface LayerContent {
  readonly directory: string
  /** What of the directory; all that is in it unless said. */
  readonly paths?: readonly string[]
  /** The id of the user and the group that all of it belongs to. */
  readonly owner: number
}

/**
 * Gives all below `root` the modes that a package has, since the user's umask, and who unpacked it, would show in digests otherwise. Nothing below is writable by
 * others, or runs as its owner.
 */
export async function normalizeModes(root: string): Promise<void> {
  for (const name of ['', ...(await readdir(root, {recursive: true}))]) {
    const path = join(root, name)
    const entry = await lstat(path)
    if (entry.isSymbolicLink()) continue
    await chmod(path, entry.isDirectory() ? FOLDER : (entry.mode & ANY_EXECUTE) === 0 ? FILE : PROGRAM)
  }
}

/**
 * Writes an archive to `file`; returns its digest, which a config names as a `diff_id`. All times are the same in all releases: a layer whose files do not change
 * keeps its digest.
 */
export async function writeArchive({directory, paths, owner}: LayerContent, file: string): Promise<Digest> {
  await runTool(
    'tar',
    [
      '--create',
      '--file',
      file,
      '--format=posix',
      // Otherwise the name of an extended header has the number of the process.
      '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
      '--sort=name',
      '--mtime=@0',
      '--numeric-owner',
      `--owner=${owner}`,
      `--group=${owner}`,
      '--directory',
      directory,
      ...(paths ?? (await readdir(directory)).sort()),
    ],
    {purpose: PURPOSE},
  )
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return finishDigest(hash, 'sha256')
}

/** Compresses an archive in its place; returns the file. */
export async function compressArchive(file: string): Promise<string> {
  await runTool('gzip', ['--no-name', file], {purpose: PURPOSE})
  return `${file}.gz`
}
