/** Builds what is published: the bundle in `dist/` and `oclif.manifest.json`. */
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {bundle} from './bundle.ts'
import {describeCommands} from './manifest.ts'

const ROOT = join(import.meta.dirname, '..')

await bundle(ROOT, join(ROOT, 'dist'))
await writeFile(join(ROOT, 'oclif.manifest.json'), await describeCommands())
