import assert from 'node:assert/strict'
import fc from 'fast-check'
import {parseImageConfig} from '../../../src/lib/oci/image-config.ts'
import {createImage, createLayer} from '../../support/images.ts'

const encode = (json: unknown) => Buffer.from(JSON.stringify(json))

describe('parseImageConfig', () => {
  for (const format of ['oci', 'docker'] as const) {
    it(`reads what a ${format} image says of how it is run`, () => {
      const image = createImage([createLayer('a', '1')], {
        format,
        architecture: 'arm',
        variant: 'v7',
        command: ['-g', 'daemon off;'],
        entrypoint: ['/usr/sbin/nginx'],
        workingDirectory: '/srv',
        user: '1000:1000',
        ports: ['80/tcp', '53/udp'],
        labels: {maintainer: 'someone'},
      })
      assert.deepEqual(parseImageConfig(image.blobs[0]?.bytes ?? new Uint8Array()), {
        platform: {os: 'linux', architecture: 'arm', variant: 'v7'},
        created: '2026-01-02T03:04:05Z',
        command: ['-g', 'daemon off;'],
        entrypoint: ['/usr/sbin/nginx'],
        workingDirectory: '/srv',
        user: '1000:1000',
        exposedPorts: ['80/tcp', '53/udp'],
        labels: {maintainer: 'someone'},
      })
    })
  }

  it('takes what is absent or null for empty', () => {
    const bare = {
      platform: {os: 'unknown', architecture: 'unknown'},
      command: [],
      entrypoint: [],
      workingDirectory: '',
      user: '',
      exposedPorts: [],
      labels: {},
    }
    assert.deepEqual(parseImageConfig(encode({})), bare)
    assert.deepEqual(parseImageConfig(encode({config: {Cmd: null, Entrypoint: null, ExposedPorts: null, Labels: null, User: ''}})), bare)
  })

  it('refuses what is no JSON object, and nothing else', () => {
    for (const text of ['', '[]', 'null', '"x"', '{']) assert.throws(() => parseImageConfig(Buffer.from(text)), {code: 'INVALID_MANIFEST'})
    fc.assert(fc.property(fc.object(), (json) => Array.isArray(parseImageConfig(encode(json)).command)))
    fc.assert(fc.property(fc.object(), (json) => Array.isArray(parseImageConfig(encode({config: json})).command)))
  })
})
