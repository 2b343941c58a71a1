/** A genuine registry behind a genuine nginx as it comes: it takes no request of more than 1 MiB, and answers plain HTTP at its TLS port with a page. */
import assert from 'node:assert/strict'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createSelfSignedCertificate} from '../support/certificates.ts'
import {startDockerRegistry} from '../support/docker-registry.ts'
import {freePorts} from '../support/free-port.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createImage, createLayer} from '../support/images.ts'
import {startNginx} from '../support/nginx.ts'
import {fetchManifest, pushImage} from '../support/push-image.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const LAYER_BYTES = 5 * 1024 * 1024

describe('a registry behind nginx with its default limits', function () {
  this.timeout(180_000)
  needs('docker-registry', 'nginx', 'openssl')
  const afterwards = cleanUpAfterwards()
  let user: Holdfast
  let source: string
  let front: string
  let tlsFront: string
  let target: string

  before(async () => {
    const temporary = await createTemporaryDirectory('nginx-limits')
    afterwards(temporary.remove)
    const registries = [await startDockerRegistry(), await startDockerRegistry()] as const
    for (const registry of registries) afterwards(registry.stop)
    source = registries[0].host
    target = registries[1].url
    await pushImage(registries[0].url, 'team/app', 'v1', createImage([createLayer('app', 'more than a proxy takes', LAYER_BYTES)]))
    const port = await freePorts(2)
    front = `127.0.0.1:${port}`
    tlsFront = `127.0.0.1:${port + 1}`
    const {certificateFile, keyFile} = await createSelfSignedCertificate(join(temporary.path, 'tls'))
    // Its workers are another user, who may not write bodies into our folders.
    const pass = `location / { proxy_pass ${target}; proxy_set_header Host $http_host; proxy_http_version 1.1; proxy_request_buffering off; }`
    const include = join(temporary.path, 'front.conf')
    await writeFile(
      include,
      `server { listen ${front}; ${pass} }\nserver { listen ${tlsFront} ssl; ssl_certificate ${certificateFile}; ssl_certificate_key ${keyFile}; ${pass} }\n`,
    )
    const nginx = await startNginx({directory: join(temporary.path, 'nginx'), include, url: `http://${front}/v2/`})
    afterwards(nginx.stop)
    user = await createHoldfast(temporary.path)
  })

  it('gets a layer that is larger in chunks that fit', async () => {
    const {exitCode, stdout, stderr} = await user.json(['copy', `${source}/team/app:v1`, `${front}/team/app:v1`])
    assert.equal(exitCode, 0, stdout + stderr)
    assert.ok(await fetchManifest(target, 'team/app', 'v1'))
  })

  it('says https when its TLS port is asked in plain', async () => {
    const {envelope, exitCode} = await user.json(['inspect', `${tlsFront}/team/app:v1`, '--source-plain-http'])
    assert.deepEqual([exitCode, envelope.error?.code], [10, 'CONFIGURATION'])
    assert.match(envelope.error?.message ?? '', /the server speaks https there/)
    assert.deepEqual(envelope.error?.hints, [`holdfast registry add NAME https://${tlsFront}`])
  })
})
