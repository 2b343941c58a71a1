/** Tags of a repository: a directory each, whose `current/link` names the manifest. */
import {readdir, rm, writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {hasErrno} from '../../core/errno.ts'
import {makeDirectory} from '../../core/make-directory.ts'
import type {Digest} from '../../oci/digest.ts'
import {isTag, type RepositoryName, type Tag} from '../../oci/reference.ts'
import {moveDurably, syncDirectory} from '../disk/durable.ts'
import {CURRENT_LINK, historyLink, type RegistryLayout} from './layout.ts'
import {readLink, removeDirectory, writeLink} from './links.ts'

export class FilesystemTags {
  readonly #layout: RegistryLayout

  constructor(layout: RegistryLayout) {
    this.#layout = layout
  }

  async resolve(repository: RepositoryName, tag: Tag): Promise<Digest | undefined> {
    return await readLink(join(this.#layout.tag(repository, tag), CURRENT_LINK))
  }

  async point(repository: RepositoryName, tag: Tag, digest: Digest): Promise<void> {
    const current = await this.resolve(repository, tag)
    if (current === digest || (current === undefined && (await this.#create(repository, tag, digest)))) return
    const directory = this.#layout.tag(repository, tag)
    await writeLink(this.#layout, join(directory, historyLink(digest)), digest)
    await writeLink(this.#layout, join(directory, CURRENT_LINK), digest)
  }

  /** In lexical order, after `last`. */
  async *list(
    repository: RepositoryName,
    options: {readonly last?: string; readonly limit?: number} = {},
  ): AsyncGenerator<Tag, void, undefined> {
    let left = options.limit ?? Number.POSITIVE_INFINITY
    for (const tag of (await this.#names(repository)).sort()) {
      if (left <= 0) return
      if ((options.last !== undefined && tag <= options.last) || (await this.resolve(repository, tag)) === undefined) continue
      left -= 1
      yield tag
    }
  }

  async delete(repository: RepositoryName, tag: Tag): Promise<boolean> {
    const wasThere = (await this.resolve(repository, tag)) !== undefined
    return (await removeDirectory(this.#layout, this.#layout.tag(repository, tag))) && wasThere
  }

  /**
   * Makes a new tag as one step, since Distribution lists every directory that it finds here and would show one that names nothing yet.
   * Answers false when another writer was faster.
   */
  async #create(repository: RepositoryName, tag: Tag, digest: Digest): Promise<boolean> {
    const temporary = this.#layout.newTemporary()
    const links = [join(temporary, CURRENT_LINK), join(temporary, historyLink(digest))]
    try {
      for (const link of links) {
        await makeDirectory(dirname(link))
        await writeFile(link, digest, {flush: true})
      }
      const directories = links.flatMap((link) => ancestors(link, temporary))
      await Promise.all([...new Set(directories)].map(syncDirectory))
      await moveDurably(temporary, this.#layout.tag(repository, tag))
      return true
    } catch (error) {
      await rm(temporary, {recursive: true, force: true})
      if (hasErrno(error, 'ENOTEMPTY', 'EEXIST')) return false
      throw error
    }
  }

  async #names(repository: RepositoryName): Promise<Tag[]> {
    try {
      return (await readdir(this.#layout.tags(repository))).filter(isTag)
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return []
      throw error
    }
  }
}

/** The directories from that of `path` up to `top`. */
function ancestors(path: string, top: string): readonly string[] {
  const above: string[] = []
  for (let directory = dirname(path); directory.length >= top.length; directory = dirname(directory)) above.push(directory)
  return above
}
