/**
 * The README is tried: its shell blocks run as they are, from the first to the last, in a home of their own. Docker Hub (with two images) and registry.example.com
 * are genuine registries on loopback, reached by their names through a proxy.
 */
import assert from 'node:assert/strict'
import {chmod, mkdir, readFile, writeFile} from 'node:fs/promises'
import {delimiter, join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createCertificateAuthority} from '../support/certificates.ts'
import {startDockerRegistry} from '../support/docker-registry.ts'
import {startForwardProxy} from '../support/forward-proxy.ts'
import {createHoldfast, HOLDFAST_LAUNCHER} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer} from '../support/images.ts'
import {pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const README = new URL('../../README.md', import.meta.url)
const TIMEOUT_MS = 120_000
const DOCKER_HUB = 'registry-1.docker.io'
const OWN_REGISTRY = 'registry.example.com'
const DOCKER_HUB_IMAGES = [
  ['alpine', '3.20'],
  ['busybox', '1.36'],
] as const

interface ShellBlock {
  readonly line: number
  readonly code: string
  /** `tested`, or why it is not: ```` ```sh untested: installs packages ````. */
  readonly mark: string
}

describe('README.md', () => {
  needs('docker-registry', 'openssl', 'bash')
  const afterwards = cleanUpAfterwards()

  it('says of each shell block that it is tested, or why it is not', async () => {
    const blocks = await readBlocks()
    const unmarked = blocks.filter(({mark}) => mark !== 'tested' && !/^untested: \S+/.test(mark))
    assert.deepEqual(
      unmarked.map(({line, mark}) => `line ${line}: "${mark}"`),
      [],
    )
    assert.ok(
      blocks.some(({mark}) => mark === 'tested'),
      'no block is marked ```sh tested',
    )
  })

  it('has tested blocks that run, one after another, in one shell', async function () {
    this.timeout(TIMEOUT_MS)
    const directory = await createTemporaryDirectory('readme')
    afterwards(directory.remove)
    const {env, scratch} = await prepareShell(directory.path, afterwards)
    const parts = (await readBlocks())
      .filter(({mark}) => mark === 'tested')
      .map(({line, code}) => `echo "# README.md line ${line}" >&2\n${code}`)
    // What a block leaves running ends with the shell; its exit code stays that of the failed command.
    const script = ['set -euo pipefail', `trap 'code=$?; kill $(jobs -p) 2>/dev/null || true; exit $code' EXIT`, ...parts].join('\n')
    const {exitCode, stdout, stderr} = await run('bash', ['-c', script], {env, cwd: scratch, timeoutMs: TIMEOUT_MS})
    assert.equal(exitCode, 0, `${stderr}\n${stdout}`)
  })
})

/** A machine as the README's reader has it: `holdfast` installed, Docker Hub up, a registry of one's own. */
async function prepareShell(
  directory: string,
  afterwards: (work: () => unknown) => void,
): Promise<{readonly env: NodeJS.ProcessEnv; readonly scratch: string}> {
  const authority = await createCertificateAuthority(join(directory, 'ca'))
  const content = join(directory, 'docker-hub')
  const filler = await startDockerRegistry({root: content})
  for (const [name, tag] of DOCKER_HUB_IMAGES) {
    const image = (architecture: string) => createImage([createLayer('etc/release', `${name} ${tag} ${architecture}`)], {architecture})
    await pushImage(filler.url, `library/${name}`, tag, createIndex({'linux/amd64': image('amd64'), 'linux/arm64': image('arm64')}))
  }
  await filler.stop()
  const dockerHub = await startDockerRegistry({root: content, tls: await authority.issue('hub', {names: `DNS:${DOCKER_HUB}`})})
  afterwards(dockerHub.stop)
  const own = await startDockerRegistry({tls: await authority.issue('own', {names: `DNS:${OWN_REGISTRY}`})})
  afterwards(own.stop)
  const proxy = await startForwardProxy({[`${DOCKER_HUB}:443`]: dockerHub.port, [`${OWN_REGISTRY}:443`]: own.port})
  afterwards(proxy.stop)

  const programs = join(directory, 'programs')
  const scratch = join(directory, 'scratch')
  await mkdir(programs)
  await mkdir(scratch)
  await writeFile(join(programs, 'holdfast'), `#!/bin/sh\nexec "${process.execPath}" "${HOLDFAST_LAUNCHER}" "$@"\n`)
  await chmod(join(programs, 'holdfast'), 0o755)
  const holdfast = await createHoldfast(directory, {HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: authority.caFile})
  return {env: {...holdfast.env, PATH: [programs, holdfast.env.PATH ?? ''].join(delimiter)}, scratch}
}

async function readBlocks(): Promise<readonly ShellBlock[]> {
  const text = await readFile(README, 'utf8')
  return [...text.matchAll(/^```(?:sh|bash|shell|console)(.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length,
    mark: (match[1] ?? '').trim(),
    code: match[2] ?? '',
  }))
}
