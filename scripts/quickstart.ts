/** `npm run quickstart`: builds Holdfast and shows on this machine alone what it does, with the real command line. */
import {createHash} from 'node:crypto'
import {mkdtemp, readdir, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {bundle} from './bundle.ts'
import {holdfast, type RunningRegistry, serve} from './quickstart/holdfast.ts'
import {writeSampleImage} from './quickstart/sample-image.ts'

const ROOT = join(import.meta.dirname, '..')
const LAYOUT = 'oci:'
/** For the tests, which have built it and use it at the same time. */
const NO_BUILD = '--no-build'

async function quickstart(folder: string, registries: RunningRegistry[]): Promise<void> {
  if (process.argv.includes(NO_BUILD)) say('1. Taking Holdfast as it was built')
  else {
    say('1. Building Holdfast')
    await bundle(ROOT, join(ROOT, 'dist'))
  }
  const environment = {HOLDFAST_DATA_DIR: join(folder, 'records')}
  const run = async (...args: readonly string[]) => {
    say(`   $ holdfast ${args.join(' ').replaceAll(folder, '.')}`)
    const printed = await holdfast(args, environment)
    if (printed !== '') say(printed.replace(/^/gm, '   '))
    return printed
  }

  say("2. Starting two registries: the origin, which is somebody else's, and yours")
  const origin = await serve(join(folder, 'origin'))
  registries.push(origin)
  const yours = await serve(join(folder, 'yours'))
  registries.push(yours)
  say(`   origin: ${origin.host}, yours: ${yours.host}`)

  say('3. Putting a sample image for two platforms into the origin')
  const sample = await writeSampleImage(join(folder, 'sample'), 'v1')
  await run('copy', `${LAYOUT}${join(folder, 'sample')}:v1`, `${origin.host}/demo/hello:v1`)

  say('4. Caching it in your registry, for the app "shop"')
  const pinned = await run('cache-image', `${origin.host}/demo/hello:v1`, '--to', yours.host, '--app', 'shop')
  if (!pinned.endsWith(`@${sample}`)) throw new Error(`the pinned reference has another digest than the source, ${sample}`)

  say('5. Stopping the origin, and pulling the image from yours all the same')
  await origin.stop()
  await run('copy', pinned, `${LAYOUT}${join(folder, 'pulled')}:v1`)
  say(`   verified: ${await verifyLayout(join(folder, 'pulled'), sample)} blobs and manifests have their digests, all of the source`)

  say('6. What is cached for "shop"')
  await run('cached', 'shop')

  say(`
That is the reference to deploy: ${pinned}

Now for real (the registries above are gone again):
  alias holdfast="'${join(ROOT, 'bin', 'run.js')}'"
  holdfast cache-image alpine:3.20      # into the embedded registry on this machine
  holdfast serve                        # serves it on 127.0.0.1:5050; docker pull 127.0.0.1:5050/…
  holdfast registry add internal https://registry.example.com --default
  holdfast --help`)
}

/** Hashes every file of a layout; answers how many there are. */
async function verifyLayout(directory: string, root: string): Promise<number> {
  const blobs = join(directory, 'blobs', 'sha256')
  const names = await readdir(blobs)
  if (!names.includes(root.replace('sha256:', ''))) throw new Error(`${root} was not pulled`)
  for (const name of names) {
    const hash = createHash('sha256')
      .update(await readFile(join(blobs, name)))
      .digest('hex')
    if (hash !== name) throw new Error(`sha256:${name} was pulled with other bytes, sha256:${hash}`)
  }
  return names.length
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

const folder = await mkdtemp(join(tmpdir(), 'holdfast-quickstart-'))
const registries: RunningRegistry[] = []
// Ctrl-C ends the command that runs, and with it the quickstart, after cleaning up.
process.on('SIGINT', () => {})
try {
  await quickstart(folder, registries)
} finally {
  for (const registry of registries) await registry.stop()
  await rm(folder, {recursive: true, force: true})
}
