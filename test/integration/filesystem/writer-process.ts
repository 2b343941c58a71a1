/** Writes image after image into the store that its argument names, until it is killed. Says `ready` when the first one is there. */
import {createFilesystemStore} from '../../../src/lib/content/filesystem/store.ts'
import {parseRepositoryName, parseTag} from '../../../src/lib/oci/reference.ts'
import {writeRunnableImage} from './image.ts'

/** Small and large in turn, so that both ways of hashing are met. */
const CONTENT_BYTES = [2000, 6_000_000, 50_000]

const [root = '', prefix = ''] = process.argv.slice(2)
const store = createFilesystemStore({root})
for (let n = 0; ; n += 1) {
  const size = CONTENT_BYTES[n % CONTENT_BYTES.length]
  const repository = parseRepositoryName(`${prefix}/${n % 4}`)
  await writeRunnableImage(store, repository, parseTag(`n${n}`), size)
  await writeRunnableImage(store, repository, parseTag('latest'), 100)
  if (n === 0) process.stdout.write('ready')
}
