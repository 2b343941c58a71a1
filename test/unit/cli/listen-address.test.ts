import assert from 'node:assert/strict'
import {parseListenAddress} from '../../../src/lib/cli/listen-address.ts'

describe('where to listen', () => {
  it('is a host and a port, or a port of loopback', () => {
    assert.deepEqual(parseListenAddress('127.0.0.1:5050'), {host: '127.0.0.1', port: 5050})
    assert.deepEqual(parseListenAddress('localhost:0'), {host: 'localhost', port: 0})
    assert.deepEqual(parseListenAddress('[::1]:5050'), {host: '::1', port: 5050})
    assert.deepEqual(parseListenAddress('5050'), {host: '127.0.0.1', port: 5050})
  })

  for (const text of [
    '',
    'localhost',
    ':5050',
    '::1:5050',
    '127.0.0.1:65536',
    '127.0.0.1:-1',
    'http://127.0.0.1:5050',
    '127.0.0.1:5050/',
  ]) {
    it(`is not "${text}"`, () => assert.throws(() => parseListenAddress(text), {code: 'USAGE'}))
  }
})
