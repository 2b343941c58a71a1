import assert from 'node:assert/strict'
import {mkdir, readdir, rm, stat, symlink, writeFile} from 'node:fs/promises'
import {join, relative} from 'node:path'
import {hasErrno} from '../../../src/lib/core/errno.ts'
import {makeDirectory} from '../../../src/lib/core/make-directory.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

const MODE_BITS = 0o777

describe('makeDirectory', () => {
  let top: TemporaryDirectory

  beforeEach(async () => {
    top = await createTemporaryDirectory('make-directory')
  })
  afterEach(() => top.remove())

  it('makes what is missing with the mode, and returns the highest directory that it made', async () => {
    const target = join(top.path, 'a', 'b', 'c')
    assert.equal(await makeDirectory(target, {mode: 0o700}), join(top.path, 'a'))
    for (const path of ['a', 'a/b', 'a/b/c']) assert.equal((await stat(join(top.path, path))).mode & MODE_BITS, 0o700, path)
    assert.equal(await makeDirectory(join(target, 'd')), join(target, 'd'))
  })

  it('returns undefined for a directory that is there, a root and a link to one included', async () => {
    await symlink(top.path, join(top.path, 'link'))
    for (const path of [top.path, `${top.path}/`, '/', join(top.path, 'link')]) assert.equal(await makeDirectory(path), undefined, path)
  })

  it('takes a relative path from the working directory', async () => {
    await makeDirectory(relative(process.cwd(), join(top.path, 'a/b')))
    assert.deepEqual(await readdir(top.path), ['a'])
  })

  it('says what is in the way', async () => {
    const file = join(top.path, 'file')
    await writeFile(file, '')
    await assert.rejects(makeDirectory(file), (error) => hasErrno(error, 'EEXIST'))
    await assert.rejects(makeDirectory(join(file, 'below')), (error) => hasErrno(error, 'ENOTDIR'))
    await symlink(join(top.path, 'nowhere'), join(top.path, 'dangling'))
    await assert.rejects(makeDirectory(join(top.path, 'dangling', 'below')), (error) => hasErrno(error, 'EEXIST'))
  })

  it('makes a directory for many callers at once, while others take it away', async () => {
    const target = join(top.path, 'a', 'b', 'c')
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({length: 20}, () => makeDirectory(target)))
      assert.ok((await stat(target)).isDirectory())
      await rm(join(top.path, 'a'), {recursive: true})
    }
  })

  for (const path of ['/proc/nope', '/proc/nope/x/y', '/proc/self/nope/x', '/sys/nope/x']) {
    it(`ends with an error for ${path}, where the system lets no directory be made`, async function () {
      if (process.platform !== 'linux') return this.skip()
      await assert.rejects(makeDirectory(path), (error) => hasErrno(error, 'EPERM', 'EACCES', 'EROFS'))
      await assert.rejects(mkdir(path), 'one call of mkdir fails as well')
    })
  }
})
