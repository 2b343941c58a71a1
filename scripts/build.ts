/** Builds what is published: the bundle in `dist/`, `oclif.manifest.json`, and the schemas that follow from the code. */
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {bundle} from './bundle.ts'
import {describeCommands} from './manifest.ts'
import {describeResults} from './schemas.ts'

const ROOT = join(import.meta.dirname, '..')

await bundle(ROOT, join(ROOT, 'dist'))
await writeFile(join(ROOT, 'oclif.manifest.json'), await describeCommands())
for (const [file, schema] of describeResults()) await writeFile(join(ROOT, 'schemas', file), schema)
