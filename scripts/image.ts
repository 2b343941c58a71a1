/** `npm run image`: builds Holdfast and writes an image of it into an OCI layout, without docker. See docs/image.md. */
import {existsSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {parseArgs} from 'node:util'
import {HoldfastError} from '../src/lib/core/errors.ts'
import {text} from '../src/lib/core/terminal-text.ts'
import {bundle} from './bundle.ts'
import {buildImage} from './image/build-image.ts'
import type {Architecture} from './image/debian.ts'
import {runTool} from './image/tool.ts'

const ROOT = join(import.meta.dirname, '..')
const PLATFORMS: Readonly<Record<string, Architecture>> = {'linux/amd64': 'amd64', 'linux/arm64': 'arm64'}
/** Where Debian says which of its servers this machine uses: since bookworm, and before. */
const APT_SOURCES = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list']
const SECOND_MS = 1000

const USAGE = `Writes an image of Holdfast into an OCI layout, without docker. It prints the digest.

npm run image -- [--output DIR] [--platform PLATFORM]... [--apt-sources FILE] [--no-build]

  --output DIR          Folder of the OCI layout (default "image"). An earlier layout there is replaced.
  --platform PLATFORM   linux/amd64 or linux/arm64 (default both). May be repeated.
  --apt-sources FILE    Sources of Debian's packages, as apt reads them (default those of this machine).
  --no-build            Takes dist/ as it is.

SOURCE_DATE_EPOCH     Seconds since 1970 that the image says it was made at (default: the time of the commit).
`

async function main(): Promise<void> {
  const flags = parseFlags()
  if (flags.help) {
    process.stdout.write(USAGE)
    return
  }
  const architectures = [...new Set((flags.platform ?? Object.keys(PLATFORMS)).map(parseArchitecture))]
  const aptSources = findAptSources(flags['apt-sources'])
  const {created, revision} = await describeSource()
  if (!flags['no-build']) await bundle(ROOT, join(ROOT, 'dist'))
  const onStep = (step: string): void => say(step)
  const image = await buildImage({checkout: ROOT, output: resolve(flags.output), architectures, aptSources, created, revision, onStep})
  say(text`holdfast copy oci:${flags.output}:${image.tag} registry.example.com/holdfast:${image.tag}`)
  process.stdout.write(`${image.digest}\n`)
}

function parseFlags() {
  try {
    const {values} = parseArgs({
      options: {
        output: {type: 'string', default: 'image'},
        platform: {type: 'string', multiple: true},
        'apt-sources': {type: 'string'},
        'no-build': {type: 'boolean', default: false},
        help: {type: 'boolean', default: false},
      },
    })
    return values
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new HoldfastError('USAGE', `cannot build an image: ${reason}`, {hints: ['npm run image -- --help'], cause})
  }
}

function parseArchitecture(platform: string): Architecture {
  const architecture = PLATFORMS[platform]
  if (architecture !== undefined) return architecture
  throw new HoldfastError(
    'INVALID_PLATFORM',
    `cannot build an image for "${platform}": only ${Object.keys(PLATFORMS).join(' and ')} are known`,
  )
}

function findAptSources(named: string | undefined): string {
  const found = (named === undefined ? APT_SOURCES : [resolve(named)]).find((file) => existsSync(file))
  if (found !== undefined) return found
  const reason = named === undefined ? 'this machine has no sources of Debian' : `there is no file "${named}"`
  throw new HoldfastError('CONFIGURATION', `cannot download packages of Debian: ${reason}`, {
    hints: ['npm run image -- --apt-sources FILE   # such as debian.sources of a machine with Debian'],
  })
}

/** When the source is from, and its commit: what the same commit gives each time. @throws {HoldfastError} CONFIGURATION */
async function describeSource(): Promise<{readonly created: Date; readonly revision: string | undefined}> {
  const purpose = 'find the commit'
  // A folder in the checkout of something else is no checkout.
  const isCheckout = existsSync(join(ROOT, '.git'))
  const git = async (...args: readonly string[]): Promise<string> => (await runTool('git', ['-C', ROOT, ...args], {purpose})).trim()
  const revision = isCheckout ? await git('describe', '--always', '--dirty', '--abbrev=40', '--exclude=*') : undefined
  const {SOURCE_DATE_EPOCH: named} = process.env
  const epoch = named || (isCheckout ? await git('log', '-1', '--format=%ct') : '')
  if (/^[0-9]{1,10}$/.test(epoch)) return {created: new Date(Number(epoch) * SECOND_MS), revision}
  const reason = named
    ? `SOURCE_DATE_EPOCH is "${named}", not a number of seconds`
    : 'this is no checkout of git, and SOURCE_DATE_EPOCH is not set'
  throw new HoldfastError('CONFIGURATION', `cannot say when the image was made: ${reason}`, {
    hints: ['SOURCE_DATE_EPOCH=$(date +%s) npm run image'],
  })
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** What Node says when the disk is full, or a folder may not be written. */
function isDiskError(error: unknown): error is Error {
  return error instanceof Error && 'syscall' in error && 'path' in error
}

// Ctrl-C ends the program that runs, and with it the build, after cleaning up.
process.on('SIGINT', () => {})
try {
  await main()
} catch (error) {
  const told = isDiskError(error) ? new HoldfastError('STORAGE', `cannot write the image: ${error.message}`) : error
  if (!(told instanceof HoldfastError)) throw error
  say(text`Error: ${told.message} (${told.code})${told.hints.map((hint) => `; ${hint}`).join('')}`)
  process.exitCode = told.exitCode
}
