import assert from 'node:assert/strict'
import type {RegistryEndpoint} from '../../../src/lib/content/remote/endpoint.ts'
import {tlsForOrigin} from '../../../src/lib/content/remote/endpoint-tls.ts'
import {parseRegistryHost} from '../../../src/lib/oci/reference.ts'

describe('the TLS settings of a registry', () => {
  const tls = {ca: 'CA', insecure: true, clientCert: 'CERT', clientKey: 'KEY'}
  const endpoint: RegistryEndpoint = {
    registry: parseRegistryHost('registry.example.com:5000'),
    plainHttp: 'never',
    tls,
    pinnedHosts: ['auth.example.com', 'storage.example.com:9000'],
    capabilities: {},
  }

  it('are its own in full', () => assert.deepEqual(tlsForOrigin(endpoint, 'https://registry.example.com:5000'), tls))

  it('give the hosts that are pinned for it its authority, and neither its client certificate nor its exemption from checks', () => {
    for (const origin of ['https://auth.example.com', 'https://storage.example.com:9000'])
      assert.deepEqual(tlsForOrigin(endpoint, origin), {ca: 'CA'})
  })

  it('give nothing to anybody else, the same host at another port included', () => {
    for (const origin of ['https://registry.example.com', 'https://auth.example.com:444', 'https://elsewhere.example.com']) {
      assert.deepEqual(tlsForOrigin(endpoint, origin), {})
    }
  })

  it('follow the registry to where its API is', () => {
    const hub: RegistryEndpoint = {
      registry: parseRegistryHost('docker.io'),
      apiHost: 'registry-1.docker.io',
      plainHttp: 'never',
      tls,
      capabilities: {},
    }
    assert.deepEqual(tlsForOrigin(hub, 'https://registry-1.docker.io'), tls)
    assert.deepEqual(tlsForOrigin(hub, 'https://auth.docker.io'), {})
  })
})
