import assert from 'node:assert/strict'
import type {ManagedRegistry} from '../../../src/lib/collector/objects.ts'
import {placeOf, registryAt} from '../../../src/lib/collector/registry-place.ts'

const registry = (name: string, url: string, provenAt?: string): ManagedRegistry => ({
  id: 1,
  name,
  service: name,
  url,
  insecure: false,
  restricted: true,
  publications: [],
  responsibles: [],
  tokenHeader: 'x5c',
  tokenLifeSeconds: 900,
  createdAt: '',
  ...(provenAt === undefined ? {} : {provenAt}),
})

describe('the place of a registry', () => {
  it('is one for all spellings of a URL or host', () => {
    const spellings = [
      'https://r.example.com',
      'http://R.EXAMPLE.COM',
      'https://r.example.com.',
      'https://r.example.com:443',
      'r.example.com:80',
      'r.example.com',
    ]
    for (const spelling of spellings) assert.equal(placeOf(spelling), 'r.example.com', spelling)
    assert.equal(placeOf('https://r.example.com:5000'), 'r.example.com:5000')
    assert.equal(placeOf('http://0x7f.1:5000'), '127.0.0.1:5000')
    assert.equal(placeOf('[::1]:5000'), '[::1]:5000')
    for (const wrong of ['', ' ', 'a b', 'http://']) assert.equal(placeOf(wrong), undefined, wrong)
  })

  it('is that of the proven one, whatever others say, and of the registry of serve when none is proven there', () => {
    const [proven, claimed, embedded] = [
      registry('proven', 'https://r.example.com', '2026-01-01'),
      registry('claimed', 'https://r.example.com'),
      registry('embedded', 'https://r.example.com'),
    ]
    const at = (...registries: readonly ManagedRegistry[]) => registryAt(registries, 'r.example.com')?.name
    assert.equal(at(embedded, claimed, proven), 'proven')
    assert.equal(at(claimed, embedded), 'embedded')
    assert.equal(at(claimed), undefined)
    assert.equal(registryAt([proven], 'other.example.com'), undefined)
    assert.equal(registryAt([proven], ''), undefined)
  })
})
