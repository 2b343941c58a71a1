import assert from 'node:assert/strict'
import {writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {parseRegistryHost} from '../../../src/lib/oci/reference.ts'
import {recordToEndpoint, undeclaredEndpoint} from '../../../src/lib/registries/endpoint.ts'
import {registry} from '../../contract/record-store.ts'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'

const PEM = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

describe('the endpoint of an undeclared host', () => {
  it('is https with a verified certificate, and pins nobody', async () => {
    assert.deepEqual(await undeclaredEndpoint(parseRegistryHost('registry.example.com')), {
      registry: 'registry.example.com',
      plainHttp: 'never',
      tls: {},
      capabilities: {},
    })
  })

  it('may fall back to plain http on loopback, and nowhere else', async () => {
    for (const host of ['localhost', 'localhost:5000', '127.0.0.1:80', '127.9.9.9', '[::1]:5000'])
      assert.equal((await undeclaredEndpoint(parseRegistryHost(host))).plainHttp, 'fallback', host)
    for (const host of ['localhost.example.com', '127.0.0.1.example.com', '10.0.0.1', '128.0.0.1'])
      assert.equal((await undeclaredEndpoint(parseRegistryHost(host))).plainHttp, 'never', host)
  })

  it("knows where docker.io's API is", async () => {
    assert.equal((await undeclaredEndpoint(parseRegistryHost('index.docker.io'))).apiHost, 'registry-1.docker.io')
  })

  it('takes what is said for one run', async () => {
    const endpoint = await undeclaredEndpoint(parseRegistryHost('registry.example.com'), {insecure: true, plainHttp: true})
    assert.equal(endpoint.plainHttp, 'always')
    assert.deepEqual(endpoint.tls, {insecure: true})
  })
})

describe('the endpoint of a declared registry', () => {
  const afterwards = cleanUpAfterwards()
  let directory: string

  before(async () => {
    const temporary = await createTemporaryDirectory('endpoint')
    afterwards(temporary.remove)
    directory = temporary.path
    await writeFile(join(directory, 'ca.pem'), PEM)
    await writeFile(join(directory, 'no.pem'), 'not a certificate')
  })

  it('has its pins, its proofs and the text of its files', async () => {
    const record = registry('a', {
      caFile: join(directory, 'ca.pem'),
      pinnedHosts: ['auth.example.com'],
      capabilities: {refusesWrongDigest: true},
    })
    assert.deepEqual(await recordToEndpoint(record), {
      registry: 'a.example.com',
      plainHttp: 'never',
      tls: {ca: PEM},
      pinnedHosts: ['auth.example.com'],
      capabilities: {refusesWrongDigest: true},
    })
  })

  it('does not fall back to plain http once it was seen to speak https', async () => {
    const local = {host: parseRegistryHost('localhost:5000'), url: 'https://localhost:5000'}
    assert.equal((await recordToEndpoint(registry('a', local))).plainHttp, 'fallback')
    assert.equal((await recordToEndpoint(registry('a', {...local, flavour: 'https-ca-signed'}))).plainHttp, 'never')
    assert.equal((await recordToEndpoint(registry('a', {...local, flavour: 'http', plainHttp: true}))).plainHttp, 'always')
  })

  it('lets an override win for one run, and an absent one not', async () => {
    const record = registry('a', {insecure: true})
    assert.deepEqual((await recordToEndpoint(record, {insecure: undefined, caFile: join(directory, 'ca.pem')})).tls, {
      insecure: true,
      ca: PEM,
    })
    assert.deepEqual((await recordToEndpoint(record, {insecure: false})).tls, {})
  })

  it('is a configuration error when a file is missing or no PEM', async () => {
    for (const file of ['absent.pem', 'no.pem']) {
      const record = registry('a', {caFile: join(directory, file)})
      await assert.rejects(recordToEndpoint(record), (error) => hasCode(error, 'CONFIGURATION') && error.message.includes(file))
    }
  })

  it('wants a client certificate and its key together', async () => {
    await assert.rejects(recordToEndpoint(registry('a', {clientCertFile: join(directory, 'ca.pem')})), (error) => hasCode(error, 'USAGE'))
  })
})
