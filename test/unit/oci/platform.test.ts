import assert from 'node:assert/strict'
import fc from 'fast-check'
import {formatPlatform, matchesPlatform, parsePlatform} from '../../../src/lib/oci/platform.ts'

describe('parsePlatform', () => {
  const READ = {
    'linux/amd64': 'linux/amd64',
    'linux/x86_64': 'linux/amd64',
    'linux/x86-64': 'linux/amd64',
    'linux/i386': 'linux/386',
    'linux/aarch64': 'linux/arm64',
    'linux/arm64/v8': 'linux/arm64/v8',
    'linux/armhf': 'linux/arm/v7',
    'linux/armel': 'linux/arm/v6',
    'linux/arm/v6': 'linux/arm/v6',
    'Linux/AMD64': 'linux/amd64',
    'windows/amd64': 'windows/amd64',
    'linux/constructor': 'linux/constructor',
    'linux/__proto__': 'linux/__proto__',
  }
  for (const [text, platform] of Object.entries(READ)) {
    it(`reads ${text} as ${platform}`, () => assert.equal(formatPlatform(parsePlatform(text)), platform))
  }

  for (const text of [
    '',
    'linux',
    'linux/',
    '/amd64',
    'linux/arm/v7/x',
    'linux//v7',
    'linux amd64',
    'linux/a b',
    'linux/amd64\n',
    '../etc/x:y',
  ]) {
    it(`refuses ${JSON.stringify(text)} and shows two that are right`, () => {
      assert.throws(() => parsePlatform(text), {code: 'INVALID_PLATFORM', hints: ['--platform linux/amd64', '--platform linux/arm/v7']})
    })
  }

  it('reads what it wrote', () => {
    const part = fc.stringMatching(/^[A-Za-z0-9_.-]{1,12}$/)
    fc.assert(
      fc.property(part, part, fc.option(part, {nil: undefined}), (os, architecture, variant) => {
        const platform = parsePlatform([os, architecture, variant].filter((text) => text !== undefined).join('/'))
        assert.deepEqual(parsePlatform(formatPlatform(platform)), platform)
      }),
    )
  })
})

describe('matchesPlatform', () => {
  const CASES: readonly (readonly [offered: string, wanted: string, matches: boolean])[] = [
    ['linux/amd64', 'linux/amd64', true],
    ['linux/amd64', 'linux/arm64', false],
    ['windows/amd64', 'linux/amd64', false],
    ['linux/amd64/v3', 'linux/amd64', true],
    ['linux/amd64', 'linux/amd64/v1', true],
    ['linux/amd64', 'linux/amd64/v3', false],
    ['linux/arm64', 'linux/arm64/v8', true],
    ['linux/arm64/v8', 'linux/arm64', true],
    ['linux/arm64/v9', 'linux/arm64/v8', false],
    ['linux/arm', 'linux/arm/v7', true],
    ['linux/arm', 'linux/arm/v6', false],
    ['linux/arm/v6', 'linux/arm', true],
    ['linux/ppc64le', 'linux/ppc64le/power9', false],
  ]
  for (const [offered, wanted, matches] of CASES) {
    it(`${offered} ${matches ? 'serves' : 'does not serve'} who wants ${wanted}`, () => {
      assert.equal(matchesPlatform(parsePlatform(offered), parsePlatform(wanted)), matches)
    })
  }
})
