/** What every implementation of the RecordStore port must do. */
import assert from 'node:assert/strict'
import {hasCode} from '../../src/lib/core/errors.ts'
import {digestOf} from '../../src/lib/oci/digest.ts'
import {parseRegistryHost, parseRepositoryName} from '../../src/lib/oci/reference.ts'
import type {CachedImageRecord, LoginRecord, RecordStore, RegistryRecord} from '../../src/lib/records/store.ts'

const digest = (text: string) => digestOf(new TextEncoder().encode(text))

export function registry(name: string, change: Partial<RegistryRecord> = {}): RegistryRecord {
  return {
    name,
    host: parseRegistryHost(`${name}.example.com`),
    url: `https://${name}.example.com`,
    insecure: false,
    plainHttp: false,
    isDefault: false,
    pinnedHosts: [],
    capabilities: {},
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    ...change,
  }
}

export function image(change: Partial<CachedImageRecord> = {}): CachedImageRecord {
  return {
    repository: parseRepositoryName('2f1b8a34-9c1d-4e57-8a66-0b1c2d3e4f50'),
    registry: parseRegistryHost('cache.example.com:5000'),
    source: 'docker.io/library/alpine:3.20',
    sourceDigest: digest('alpine'),
    digest: digest('alpine'),
    sizeBytes: 3_600_000,
    createdAt: '2026-01-01T00:00:00.000Z',
    ...change,
  }
}

/** Runs the suite; `open` gives an empty store each time. */
export function recordStoreContract(open: () => Promise<RecordStore>): void {
  let store: RecordStore

  beforeEach(async () => {
    store = await open()
  })
  afterEach(() => store.close())

  describe('registries', () => {
    it('gives back exactly what was saved, with every optional field and with none', async () => {
      const full = registry('full', {
        insecure: true,
        plainHttp: true,
        caFile: '/etc/ca.pem',
        clientCertFile: '/etc/cert.pem',
        clientKeyFile: '/etc/key.pem',
        isDefault: true,
        flavour: 'https-self-signed',
        authScheme: 'bearer',
        realm: 'https://auth.example.com/token',
        repositoryPrefix: parseRepositoryName('apps/shop'),
        pinnedHosts: ['auth.example.com', 'storage.example.com:9000'],
        capabilities: {refusesWrongDigest: true, mountsFromItself: false},
      })
      await store.saveRegistry(full)
      await store.saveRegistry(registry('bare'))
      assert.deepEqual(await store.findRegistry('full'), full)
      assert.deepEqual(await store.findRegistry('bare'), registry('bare'))
    })

    it('finds a registry by its name and by its host, and the name wins', async () => {
      await store.saveRegistry(registry('one', {host: parseRegistryHost('two')}))
      await store.saveRegistry(registry('two'))
      assert.equal((await store.findRegistry('two'))?.host, 'two.example.com')
      assert.equal((await store.findRegistry('two.example.com'))?.name, 'two')
      assert.equal(await store.findRegistry('three'), undefined)
    })

    it('lists registries by name', async () => {
      for (const name of ['c', 'a', 'b']) await store.saveRegistry(registry(name))
      assert.deepEqual(
        (await store.listRegistries()).map(({name}) => name),
        ['a', 'b', 'c'],
      )
    })

    it('has one default at most: the last one that was made so', async () => {
      assert.equal(await store.findDefaultRegistry(), undefined)
      await store.saveRegistry(registry('a', {isDefault: true}))
      await store.saveRegistry(registry('b', {isDefault: true}))
      await store.saveRegistry(registry('b', {isDefault: true, insecure: true}))
      assert.equal((await store.findDefaultRegistry())?.name, 'b')
      assert.equal((await store.findRegistry('a'))?.isDefault, false)
    })

    it('refuses a second name for one host, and says which one has it', async () => {
      await store.saveRegistry(registry('a'))
      await store.saveRegistry(registry('d', {isDefault: true}))
      const twin = registry('b', {host: parseRegistryHost('a.example.com'), isDefault: true})
      await assert.rejects(store.saveRegistry(twin), (error) => hasCode(error, 'CONFLICT') && error.message.includes('"a"'))
      assert.equal((await store.findDefaultRegistry())?.name, 'd', 'the default is as it was')
    })

    it('replaces the registry of the same name, and forgets a removed one', async () => {
      await store.saveRegistry(registry('a', {caFile: '/ca.pem'}))
      await store.saveRegistry(registry('a', {insecure: true}))
      assert.deepEqual(await store.listRegistries(), [registry('a', {insecure: true})])
      assert.equal(await store.removeRegistry('a'), true)
      assert.equal(await store.removeRegistry('a'), false)
      assert.equal(await store.findRegistry('a'), undefined)
    })

    it('remembers each host that is trusted for a registry, and by what, for that registry', async () => {
      const [one, two] = [parseRegistryHost('one.example.com'), parseRegistryHost('two.example.com')]
      assert.deepEqual([await store.listTrustedHosts(one), await store.listTrust()], [[], []])
      for (const host of ['b.example.com:8443', 'a.example.com', 'a.example.com']) await store.trustHost(one, host, 'login')
      await store.trustHost(two, 'c.example.com', 'collector')
      assert.deepEqual(await store.listTrustedHosts(one), ['a.example.com', 'b.example.com:8443'])
      assert.deepEqual(await store.listTrust(), [
        {registry: one, host: 'a.example.com', trustedBy: 'login'},
        {registry: one, host: 'b.example.com:8443', trustedBy: 'login'},
        {registry: two, host: 'c.example.com', trustedBy: 'collector'},
      ])
      await store.distrustHosts(one)
      assert.deepEqual([await store.listTrustedHosts(one), await store.listTrustedHosts(two)], [[], ['c.example.com']])
    })

    it('forgets what one source trusts, and keeps the same host where another one trusts it too', async () => {
      const registry = parseRegistryHost('one.example.com')
      for (const by of ['login', 'collector'] as const) await store.trustHost(registry, 'a.example.com', by)
      await store.trustHost(registry, 'b.example.com', 'login')
      assert.deepEqual(await store.listTrustedHosts(registry), ['a.example.com', 'b.example.com'])
      await store.distrustHosts(registry, 'login')
      assert.deepEqual(await store.listTrust(), [{registry, host: 'a.example.com', trustedBy: 'collector'}])
    })
  })

  describe('cached images', () => {
    const key = {source: image().source, registry: image().registry}

    it('gives back exactly what was recorded', async () => {
      const full = image({app: 'shop', platforms: ['linux/amd64', 'linux/arm64/v8'], digest: digest('subset')})
      await store.recordCachedImage(full)
      assert.deepEqual(await store.searchCachedImages(), [full])
      assert.deepEqual(await store.findCachedImage({...key, app: 'shop', platforms: ['linux/arm64/v8', 'linux/amd64']}), full)
    })

    it('keeps wishes apart that differ in source, registry, app, owner, platforms or name', async () => {
      await store.recordCachedImage(image())
      assert.deepEqual(await store.findCachedImage(key), image())
      for (const other of [
        {...key, source: 'docker.io/library/alpine:3.21'},
        {...key, registry: parseRegistryHost('elsewhere:5000')},
        {...key, app: 'shop'},
        {...key, owner: 'api.example.com/1'},
        {...key, platforms: ['linux/amd64']},
        {...key, repository: parseRepositoryName('base/alpine')},
      ])
        assert.equal(await store.findCachedImage(other), undefined, JSON.stringify(other))
    })

    it('does not answer a wish for a guid with an image that was given a name', async () => {
      const named = image({repository: parseRepositoryName('base/alpine')})
      await store.recordCachedImage(named)
      assert.equal(await store.findCachedImage(key), undefined)
      assert.deepEqual(await store.findCachedImage({...key, repository: named.repository}), named)
    })

    it('answers a wish with its newest record, and keeps the older ones', async () => {
      const older = image()
      const newer = image({
        repository: parseRepositoryName('7d0e1f2a-3b4c-4d5e-9f60-718293a4b5c6'),
        sourceDigest: digest('moved'),
        digest: digest('moved'),
        createdAt: '2026-02-01T00:00:00.000Z',
      })
      await store.recordCachedImage(newer)
      await store.recordCachedImage(older)
      assert.deepEqual(await store.findCachedImage(key), newer)
      assert.deepEqual(await store.searchCachedImages(), [newer, older])
    })

    it('records the same image twice as one', async () => {
      await store.recordCachedImage(image())
      await store.recordCachedImage(image({createdAt: '2026-03-01T00:00:00.000Z'}))
      assert.deepEqual(await store.searchCachedImages(), [image({createdAt: '2026-03-01T00:00:00.000Z'})])
    })

    it('searches by guid, digest, app, and any part of the source, whatever the case', async () => {
      const alpine = image({app: 'Shop', digest: digest('subset'), platforms: ['linux/amd64']})
      const other = image({
        repository: parseRepositoryName('99999999-3b4c-4d5e-9f60-718293a4b5c6'),
        source: 'ghcr.io/acme/100%_web:v1',
        sourceDigest: digest('web'),
        digest: digest('web'),
      })
      await store.recordCachedImage(alpine)
      await store.recordCachedImage(other)
      const hex = (text: string) => digest(text).slice('sha256:'.length)
      for (const query of [
        alpine.repository,
        '2f1b8a',
        '2F1B8A34',
        digest('subset'),
        `sha256:${hex('subset').slice(0, 12)}`,
        hex('subset').slice(0, 6),
        digest('alpine'),
        'shop',
        'ALPINE:3',
        'library/',
      ])
        assert.deepEqual(await store.searchCachedImages(query), [alpine], query)
      for (const query of ['2f1b8', hex('subset').slice(0, 5), hex('subset').slice(1), 'sho', 'nothing', 'sha256:'])
        assert.deepEqual(await store.searchCachedImages(query), [], query)
    })

    it('answers no wish with an image that was removed, until it is recorded again', async () => {
      const {repository, ...wish} = image()
      await store.recordCachedImage(image())
      await store.recordImageRemoval({...image(), digest: digest('another')}, '2026-02-01T00:00:00.000Z')
      assert.deepEqual(await store.findCachedImage(wish), image())
      await store.recordImageRemoval(image(), '2026-02-01T00:00:00.000Z')
      assert.equal(await store.findCachedImage(wish), undefined)
      const fresh = parseRepositoryName('00000000-0000-4000-8000-000000000002')
      assert.equal(await store.claimRepository(wish, fresh), fresh)
      await store.recordCachedImage(image())
      assert.equal((await store.findCachedImage(wish))?.repository, repository)
    })

    it('keeps what is damaged until a check finds the image whole', async () => {
      await store.recordCachedImage(image())
      const damaged = [digest('one'), digest('two')]
      await store.recordImageDamage(image(), damaged)
      assert.deepEqual(await store.searchCachedImages(), [{...image(), damaged}])
      const checkedAt = '2026-02-01T00:00:00.000Z'
      await store.recordImageCheck(image(), checkedAt)
      assert.deepEqual(await store.searchCachedImages(), [{...image(), checkedAt}])
    })

    it('claims one repository for a wish until the wish is recorded, whatever other runs propose', async () => {
      const {sourceDigest: _, digest: __, sizeBytes: ___, createdAt: ____, repository: first, ...wish} = image()
      const [second, third] = [
        parseRepositoryName('00000000-0000-4000-8000-000000000002'),
        parseRepositoryName('00000000-0000-4000-8000-000000000003'),
      ]
      assert.equal(await store.claimRepository(wish, first), first)
      assert.equal(await store.claimRepository(wish, second), first)
      assert.equal(await store.claimRepository({...wish, app: 'another'}, second), second)
      assert.equal(await store.claimRepository({...wish, owner: 'api.example.com/1'}, third), third)
      await store.recordCachedImage(image())
      assert.equal(await store.claimRepository(wish, third), first, 'a run that began before the record takes its repository')
      assert.equal(await store.claimRepository(wish, third, first), third, 'a run that knows the record begins anew')
    })

    it('tells apart what is cached below different prefixes, and claims a repository for each', async () => {
      const {sourceDigest: _, digest: __, sizeBytes: ___, createdAt: ____, repository, ...wish} = image()
      const [shop, team] = ['apps/shop', 'team'].map(parseRepositoryName)
      const below = parseRepositoryName(`apps/shop/${repository}`)
      await store.recordCachedImage(image({repository: below}))
      assert.equal(await store.findCachedImage(wish), undefined)
      assert.equal((await store.findCachedImage({...wish, prefix: parseRepositoryName('apps/shop')}))?.repository, below)
      for (const prefix of ['apps', 'shop', 'team'].map(parseRepositoryName)) {
        assert.equal(await store.findCachedImage({...wish, prefix}), undefined, prefix)
      }
      const [first, second] = ['2', '3'].map((end) => parseRepositoryName(`team/00000000-0000-4000-8000-00000000000${end}`))
      assert.ok(first !== undefined && second !== undefined && shop !== undefined && team !== undefined)
      assert.equal(await store.claimRepository({...wish, prefix: shop}, first), below, 'what is recorded there')
      assert.equal(await store.claimRepository(wish, repository), repository)
      assert.equal(await store.claimRepository({...wish, prefix: team}, first), first)
      assert.equal(await store.claimRepository({...wish, prefix: team}, second), first)
    })

    it('finds an image below a prefix by its GUID and by the start of it', async () => {
      const {repository} = image()
      const record = image({repository: parseRepositoryName(`apps/shop/${repository}`)})
      await store.recordCachedImage(record)
      for (const query of [repository, repository.slice(0, 8), record.repository]) {
        assert.deepEqual(await store.searchCachedImages(query), [record], query)
      }
      assert.deepEqual(await store.searchCachedImages(repository.slice(1, 9)), [])
    })

    it('takes no character of a query for a wildcard', async () => {
      const odd = image({source: 'ghcr.io/acme/100%_web:v1', app: 'a%b'})
      await store.recordCachedImage(odd)
      for (const query of ['%', '_', '100%_WEB', 'a%b']) assert.deepEqual(await store.searchCachedImages(query), [odd], query)
      for (const query of ['acme%web', '100__web', '*', "' OR 1=1 --", '\\'])
        assert.deepEqual(await store.searchCachedImages(query), [], query)
    })
  })

  describe('blob locations', () => {
    const cache = parseRegistryHost('cache.example.com:5000')
    const first = parseRepositoryName('first')
    const second = parseRepositoryName('second')

    it('answers with the repository that got the blob last, for each registry on its own', async () => {
      await store.recordBlobLocations(cache, first, [digest('a'), digest('b')])
      await store.recordBlobLocations(cache, second, [digest('b')])
      await store.recordBlobLocations(cache, second, [])
      assert.equal(await store.findBlobLocation(cache, digest('a')), first)
      assert.equal(await store.findBlobLocation(cache, digest('b')), second)
      assert.equal(await store.findBlobLocation(cache, digest('c')), undefined)
      assert.equal(await store.findBlobLocation(parseRegistryHost('elsewhere'), digest('a')), undefined)
    })
  })

  describe('logins', () => {
    const hub = parseRegistryHost('docker.io')
    const login = (change: Partial<LoginRecord> = {}): LoginRecord => ({
      registry: hub,
      account: 'ada',
      kind: 'password',
      loggedInAt: '2026-01-01T00:00:00.000Z',
      ...change,
    })

    it('gives back exactly what was saved, newest first', async () => {
      const whole = login()
      const part = login({
        pathPrefix: parseRepositoryName('acme/team'),
        account: 'bob@example.com',
        kind: 'identity-token',
        loggedInAt: '2026-01-02T00:00:00.000Z',
        expiresAt: '2027-01-01T00:00:00.000Z',
      })
      const other = login({registry: parseRegistryHost('localhost:5000'), loggedInAt: '2026-01-03T00:00:00.000Z'})
      for (const one of [other, whole, part]) await store.saveLogin(one)
      assert.deepEqual(await store.listLogins(hub), [part, whole])
      assert.deepEqual(await store.listLogins(), [other, part, whole])
    })

    it('keeps one login for each registry, path prefix and account; the last one saved counts', async () => {
      await store.saveLogin(login({kind: 'identity-token', expiresAt: '2027-01-01T00:00:00.000Z'}))
      await store.saveLogin(login({account: 'bob'}))
      await store.saveLogin(login())
      assert.deepEqual(await store.listLogins(hub), [login(), login({account: 'bob'})])
    })

    it('removes one and says whether it was there', async () => {
      const part = login({pathPrefix: parseRepositoryName('acme')})
      await store.saveLogin(login())
      await store.saveLogin(part)
      assert.equal(await store.removeLogin(login()), true)
      assert.equal(await store.removeLogin(login()), false)
      assert.deepEqual(await store.listLogins(), [part])
    })
  })

  describe('apps of this machine', () => {
    const staged = (name: string) => ({source: `${name}:1`, sourceDigest: digest(name), cached: name, stagedAt: '2026-01-01T00:00:00.000Z'})
    const bare = {name: 'bare', updatedAt: '2026-01-01T00:00:00.000Z'}
    const full = {
      ...bare,
      name: 'full',
      optIn: 'true',
      image: 'new',
      previousImage: 'old',
      staged: staged('new'),
      previousStaged: staged('old'),
    }

    it('gives back exactly what was saved, by name, with every optional field and with none', async () => {
      for (const app of [full, bare]) await store.saveAppRecord(app)
      assert.deepEqual(await store.listAppRecords(), [bare, full])
      assert.deepEqual(await store.findAppRecord('full'), full)
      await store.saveAppRecord({...bare, name: 'full'})
      assert.deepEqual(await store.findAppRecord('full'), {...bare, name: 'full'})
      assert.equal(await store.findAppRecord('other'), undefined)
    })
  })

  describe('allowed credential helpers', () => {
    it('keeps a setting until it is changed or taken back', async () => {
      assert.equal(await store.readSetting('collector'), undefined)
      for (const url of ['https://a.example.com', 'https://b.example.com']) {
        await store.saveSetting('collector', url)
        assert.equal(await store.readSetting('collector'), url)
      }
      assert.equal(await store.readSetting('collector-account'), undefined)
      await store.saveSetting('collector', undefined)
      assert.equal(await store.readSetting('collector'), undefined)
    })

    it('keeps every name that the embedded registry had, once each', async () => {
      for (const name of ['localhost:5050', '127.0.0.1:5999', 'localhost:5050']) await store.addEmbeddedName(parseRegistryHost(name))
      assert.deepEqual(await store.listEmbeddedNames(), ['127.0.0.1:5999', 'localhost:5050'])
    })

    it('are listed by name, once each, until they are disallowed', async () => {
      for (const name of ['secretservice', 'pass', 'pass']) await store.allowHelper(name)
      assert.deepEqual(await store.listAllowedHelpers(), ['pass', 'secretservice'])
      assert.deepEqual([await store.disallowHelper('pass'), await store.disallowHelper('pass')], [true, false])
      assert.deepEqual(await store.listAllowedHelpers(), ['secretservice'])
    })
  })
}
