import assert from 'node:assert/strict'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {parseRepositoryName} from '../../../src/lib/oci/reference.ts'
import {createForgivingRecords} from '../../../src/lib/records/forgiving.ts'
import {openSqliteStore} from '../../../src/lib/records/sqlite/open-store.ts'
import {image, registry} from '../../contract/record-store.ts'
import {createTemporaryDirectory, type TemporaryDirectory} from '../../support/temporary-directory.ts'

describe('forgiving records', () => {
  let top: TemporaryDirectory

  before(async () => {
    top = await createTemporaryDirectory('forgiving')
  })
  after(() => top.remove())

  it('lose images and blob locations that cannot be written, and tell that once', async () => {
    const told: string[] = []
    await writeFile(join(top.path, 'file'), '')
    const store = await openSqliteStore({file: join(top.path, 'file', 'holdfast.db'), onDenied: () => {}})
    const records = createForgivingRecords(store, ({code}) => told.push(code))
    await records.recordCachedImage(image())
    await records.recordBlobLocations(image().registry, parseRepositoryName('web'), [image().digest])
    assert.deepEqual(told, ['STORAGE'])
    assert.deepEqual(await records.searchCachedImages(), [])
    await assert.rejects(records.saveRegistry(registry('a')), (error) => hasCode(error, 'STORAGE'))
    records.close()
  })

  it('write where that is possible', async () => {
    const store = await openSqliteStore({file: join(top.path, 'data', 'holdfast.db')})
    const records = createForgivingRecords(store, (error) => assert.fail(error))
    await records.recordCachedImage(image())
    assert.deepEqual(await records.searchCachedImages(), [image()])
    records.close()
  })
})
