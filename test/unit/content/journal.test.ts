import assert from 'node:assert/strict'
import {readdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {createJournal} from '../../../src/lib/content/pull-through/journal.ts'
import {digestOf} from '../../../src/lib/oci/digest.ts'
import {parseRepositoryName, type Tag} from '../../../src/lib/oci/reference.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

const [A, B] = [digestOf(Buffer.from('a')), digestOf(Buffer.from('b'))]

describe('the journal of a mirror', () => {
  let temporary: TemporaryDirectory

  beforeEach(async () => {
    temporary = await createTemporaryDirectory('journal')
  })

  afterEach(() => temporary.remove())

  it('is empty where there is no folder, and keeps what was saved last of each repository', async () => {
    const journal = createJournal(join(temporary.path, 'new'))
    assert.equal((await journal.load()).size, 0)
    const [web, api] = [parseRepositoryName('shop/web'), parseRepositoryName('shop/api')]
    const entry = {resolved: [['v1' as Tag, [A, B]] as const], incomplete: [B]}
    await journal.save(web, {resolved: [], incomplete: [A]})
    await journal.save(web, entry)
    await journal.save(api, entry)
    await journal.save(api, {resolved: [], incomplete: []})
    assert.deepEqual([...(await createJournal(join(temporary.path, 'new')).load())], [[web, entry]])
    assert.equal((await readdir(join(temporary.path, 'new'))).length, 1)
  })

  it('passes over files that say nothing, and over what is none of a repository, a tag or a digest', async () => {
    const files = [
      '',
      '{"repository"',
      'null',
      '{"repository":"../up","resolved":[],"incomplete":[]}',
      '{"repository":"a/b","resolved":[["not a tag",["sha256:1"]],7,["v1",["x"]]],"incomplete":[1,"../x"]}',
    ]
    for (const [index, text] of files.entries()) await writeFile(join(temporary.path, `${index}.json`), text)
    assert.deepEqual([...(await createJournal(temporary.path).load())], [['a/b', {resolved: [], incomplete: []}]])
  })
})
