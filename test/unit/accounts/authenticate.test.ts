import assert from 'node:assert/strict'
import {createAuthenticator, type KnownAccount} from '../../../src/lib/accounts/authenticate.ts'
import {hashPassword, verifyPassword} from '../../../src/lib/accounts/password.ts'
import {HoldfastError, hasCode} from '../../../src/lib/core/errors.ts'
import {Secret} from '../../../src/lib/core/secret.ts'
import {createLoginHistory, type MemoryLoginHistory} from '../../support/login-history.ts'

const HERE = '192.0.2.1'
const ELSEWHERE = '192.0.2.2'
const RIGHT = new Secret('correct horse')
const WRONG = new Secret('wrong')

describe('passwords', () => {
  it('are kept as argon2id in the PHC format, each with a salt of its own', async () => {
    const [one, two] = [await hashPassword(RIGHT), await hashPassword(RIGHT)]
    assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    assert.notEqual(one, two)
    assert.deepEqual([await verifyPassword(RIGHT, one), await verifyPassword(WRONG, one)], [true, false])
  })

  it('are none where there is no hash, or none of ours', async () => {
    for (const hash of [undefined, '', 'x', '$2b$10$abcdefghijklmnopqrstuv', '$argon2id$v=19$m=19456,t=2,p=1$AAAA$']) {
      assert.equal(await verifyPassword(RIGHT, hash), false)
    }
  })

  it('of RFC 9106 implementations elsewhere are taken, with their parameters', async () => {
    const {argon2Sync} = await import('node:crypto')
    const salt = Buffer.from('somesalt16bytes!')
    const hash = argon2Sync('argon2id', {message: 'correct horse', nonce: salt, parallelism: 1, tagLength: 32, memory: 4096, passes: 3})
    const text = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')
    assert.equal(await verifyPassword(RIGHT, `$argon2id$v=19$m=4096,t=3,p=1$${text(salt)}$${text(hash)}`), true)
  })
})

describe('authentication', () => {
  let time: number
  let accounts: Map<string, KnownAccount<string>>
  let asked: number
  let history: MemoryLoginHistory

  beforeEach(async () => {
    history = createLoginHistory()
    time = 1_000_000
    asked = 0
    const hash = await hashPassword(RIGHT)
    const verify = async (password: Secret): Promise<string | undefined> => {
      asked++
      return password.reveal() === RIGHT.reveal() ? 'dora' : undefined
    }
    accounts = new Map<string, KnownAccount<string>>([
      ['ann', {account: 'ann', isDisabled: false, proof: {kind: 'password-hash', hash}}],
      ['gone', {account: 'gone', isDisabled: true, proof: {kind: 'password-hash', hash}}],
      ['web@service', {account: 'web', isDisabled: false, proof: {kind: 'secret', matches: (secret) => secret.reveal() === 'hfs_x'}}],
      ['dora', {account: 'dora', isDisabled: false, proof: {kind: 'directory', verify}}],
    ])
  })

  const open = () => createAuthenticator({find: async (name) => accounts.get(name), now: () => new Date(time), history})
  const refused = (code: 'UNAUTHENTICATED' | 'RATE_LIMITED') => (error: unknown) => hasCode(error, code)

  it('lets in who is right, and refuses everybody else in the same words', async () => {
    const {authenticate} = open()
    assert.equal(await authenticate('ann', RIGHT, HERE), 'ann')
    assert.equal(await authenticate('web@service', new Secret('hfs_x'), HERE), 'web')
    const messages = new Set<string>()
    for (const [name, password] of [
      ['ann', WRONG],
      ['nobody', RIGHT],
      ['gone', RIGHT],
      ['web@service', RIGHT],
      ['dora', WRONG],
      ['ann', new Secret('')],
    ] as const) {
      await assert.rejects(authenticate(name, password, HERE), (error) => {
        messages.add(error instanceof HoldfastError ? error.message : '')
        return refused('UNAUTHENTICATED')(error)
      })
    }
    assert.equal(messages.size, 1)
  })

  it('asks a directory once a minute, never with an empty password', async () => {
    const {authenticate} = open()
    await assert.rejects(authenticate('dora', new Secret(''), HERE))
    assert.equal(asked, 0)
    for (const _ of [1, 2, 3]) await authenticate('dora', RIGHT, HERE)
    assert.equal(asked, 1)
    time += 61_000
    await authenticate('dora', RIGHT, HERE)
    assert.equal(asked, 2)
  })

  it('takes the old password no more, from the moment that another hash is stored', async () => {
    const {authenticate} = open()
    await authenticate('ann', RIGHT, HERE)
    accounts.set('ann', {account: 'ann', isDisabled: false, proof: {kind: 'password-hash', hash: await hashPassword(new Secret('new'))}})
    await assert.rejects(authenticate('ann', RIGHT, HERE), refused('UNAUTHENTICATED'))
    assert.equal(await authenticate('ann', new Secret('new'), HERE), 'ann')
  })

  it('asks once for the same password at the same time', async () => {
    const {authenticate} = open()
    const answers = await Promise.all(Array.from({length: 30}, () => authenticate('dora', RIGHT, HERE)))
    assert.deepEqual([new Set(answers), asked], [new Set(['dora']), 1])
  })

  it('looks at no more guesses when they come all at once, or under a name in other cases', async () => {
    const {authenticate} = open()
    const names = ['dora', 'Dora', 'DORA']
    accounts.set('Dora', accounts.get('dora') as KnownAccount<string>).set('DORA', accounts.get('dora') as KnownAccount<string>)
    const guesses = Array.from({length: 60}, (_, index) => authenticate(names[index % 3] ?? '', new Secret(`guess ${index}`), HERE))
    const outcomes = await Promise.allSettled(guesses)
    const limited = outcomes.filter((outcome) => outcome.status === 'rejected' && hasCode(outcome.reason, 'RATE_LIMITED'))
    assert.deepEqual([asked, limited.length], [10, 50])
    assert.equal(await authenticate('dora', RIGHT, ELSEWHERE), 'dora')
  })

  it('holds nothing against anybody while a directory does not answer, and lets the next one try', async () => {
    const {authenticate} = open()
    const verify = (): Promise<never> => Promise.reject(new HoldfastError('REGISTRY_UNAVAILABLE', 'cannot ask directory "corp": down'))
    accounts.set('eve', {account: 'eve', isDisabled: false, proof: {kind: 'directory', verify}})
    for (let attempt = 0; attempt < 20; attempt++) {
      await assert.rejects(authenticate('eve', new Secret(`${attempt}`), HERE), (error) => hasCode(error, 'REGISTRY_UNAVAILABLE'))
    }
  })

  it('takes everything from who is disabled, at once', async () => {
    const {authenticate} = open()
    await authenticate('dora', RIGHT, HERE)
    const dora = accounts.get('dora')
    assert.ok(dora)
    accounts.set('dora', {...dora, isDisabled: true})
    await assert.rejects(authenticate('dora', RIGHT, HERE), refused('UNAUTHENTICATED'))
  })

  it('slows down who guesses, from one address, and lets the owner in from another', async () => {
    const {authenticate} = open()
    for (let attempt = 0; attempt < 10; attempt++) await assert.rejects(authenticate('dora', WRONG, HERE), refused('UNAUTHENTICATED'))
    const before = asked
    await assert.rejects(authenticate('dora', WRONG, HERE), (error) => {
      assert.ok(error instanceof HoldfastError)
      assert.equal(error.details.retryAfterSeconds, 1)
      return error.code === 'RATE_LIMITED'
    })
    await assert.rejects(authenticate('dora', RIGHT, HERE), refused('RATE_LIMITED'))
    assert.equal(asked, before, 'a guess was looked at')
    assert.equal(await authenticate('dora', RIGHT, ELSEWHERE), 'dora')
    time += 1_001
    await assert.rejects(authenticate('ann', WRONG, HERE), refused('UNAUTHENTICATED'))
    assert.equal(await authenticate('dora', RIGHT, HERE), 'dora')
    await assert.rejects(authenticate('dora', WRONG, HERE), refused('UNAUTHENTICATED'))
  })

  const outcome = (attempt: Promise<unknown>): Promise<string> =>
    attempt.then(
      () => 'in',
      (error: unknown) => (error instanceof HoldfastError ? error.code : String(error)),
    )

  it('slows down an address that tries names of no account, and lets the accounts behind it in', async () => {
    const {authenticate} = open()
    for (let attempt = 0; attempt < 100; attempt++) await assert.rejects(authenticate(`user-${attempt}`, new Secret(''), HERE))
    assert.equal(await outcome(authenticate('user-100', WRONG, HERE)), 'RATE_LIMITED')
    assert.equal(await outcome(authenticate('user-100', new Secret(''), ELSEWHERE)), 'UNAUTHENTICATED')
    assert.equal(await authenticate('ann', RIGHT, HERE), 'ann')
    assert.equal(await outcome(authenticate('user-101', WRONG, HERE)), 'RATE_LIMITED', 'a login forgave what the address did')
  })

  it('never slows down a secret of many random bits, whatever its address did, and keeps no record of it', async () => {
    const {authenticate} = open()
    for (let attempt = 0; attempt < 100; attempt++) await assert.rejects(authenticate(`user-${attempt}`, new Secret(''), HERE))
    const before = history.failures.size
    for (let attempt = 0; attempt < 200; attempt++) {
      assert.equal(await outcome(authenticate('web@service', new Secret(`${attempt}`), HERE)), 'UNAUTHENTICATED')
    }
    assert.equal(await authenticate('web@service', new Secret('hfs_x'), HERE), 'web')
    assert.equal(history.failures.size, before)
  })

  it('counts all spellings of a name that a directory takes for one as one', async () => {
    const {authenticate} = open()
    const dora = accounts.get('dora') as KnownAccount<string>
    const spellings = ['dora', ' dora', 'DORA ', '\u200bdora', 'do\u00adra', '\uff44ora', '\tdora']
    for (const name of spellings) accounts.set(name, dora)
    for (let attempt = 0; attempt < 10; attempt++) {
      const name = spellings[attempt % spellings.length] ?? ''
      assert.equal(await outcome(authenticate(name, new Secret(`${attempt}`), HERE)), 'UNAUTHENTICATED')
    }
    for (const name of spellings) assert.equal(await outcome(authenticate(name, WRONG, HERE)), 'RATE_LIMITED', JSON.stringify(name))
  })

  it('gives an account an allowance of its own for 30 days where it has logged in', async () => {
    const {authenticate} = open()
    await authenticate('dora', RIGHT, HERE)
    time += 29 * 24 * 3_600_000
    for (let attempt = 0; attempt < 30; attempt++) assert.equal(await outcome(authenticate('dora', WRONG, HERE)), 'UNAUTHENTICATED')
    assert.equal(await outcome(authenticate('dora', WRONG, HERE)), 'RATE_LIMITED')
    time += 2 * 24 * 3_600_000
    for (let attempt = 0; attempt < 10; attempt++) assert.equal(await outcome(authenticate('dora', WRONG, HERE)), 'UNAUTHENTICATED')
    assert.equal(await outcome(authenticate('dora', WRONG, HERE)), 'RATE_LIMITED')
  })

  it('lets in under a name that only a directory knows, where it was let in before, whatever the address did since', async () => {
    const {authenticate} = open()
    const dora = accounts.get('dora') as KnownAccount<string>
    accounts.set('dora@example.com', {...dora, account: undefined})
    assert.equal(await authenticate('dora@example.com', RIGHT, HERE), 'dora')
    for (let attempt = 0; attempt < 100; attempt++) await assert.rejects(authenticate(`user-${attempt}`, new Secret(''), HERE))
    time += 61_000
    assert.equal(await authenticate('dora@example.com', RIGHT, HERE), 'dora')
  })

  it('takes a network of IPv6 for one place, and an address of IPv4 for another', async () => {
    const {authenticate} = open()
    for (let attempt = 0; attempt < 10; attempt++) {
      const address = attempt % 2 === 0 ? `2001:db8::${attempt + 1}` : `2001:db8:0:0:aaaa::${attempt}`
      assert.equal(await outcome(authenticate('dora', WRONG, address)), 'UNAUTHENTICATED')
    }
    assert.equal(await outcome(authenticate('dora', WRONG, '2001:db8:0::ffff')), 'RATE_LIMITED')
    assert.equal(await outcome(authenticate('dora', WRONG, '2001:db8:0:1::1')), 'UNAUTHENTICATED')
    for (let attempt = 0; attempt < 10; attempt++) await outcome(authenticate('dora', WRONG, attempt % 2 === 0 ? HERE : `::ffff:${HERE}`))
    assert.equal(await outcome(authenticate('dora', WRONG, HERE)), 'RATE_LIMITED')
  })

  it('looks at 64 guesses of one place at once, and at those of who has logged in there beside them', async () => {
    const {authenticate} = open()
    await authenticate('dora', RIGHT, HERE)
    time += 61_000
    let waiting = 0
    let inside = (): void => {}
    const gate = new Promise<void>((resolve) => {
      inside = resolve
    })
    const verify = async (): Promise<undefined> => {
      waiting++
      await gate
      return undefined
    }
    for (let user = 0; user < 100; user++)
      accounts.set(`u${user}`, {account: `u${user}`, isDisabled: false, proof: {kind: 'directory', verify}})
    const guesses = Array.from({length: 100}, (_, user) => outcome(authenticate(`u${user}`, WRONG, HERE)))
    assert.equal(await authenticate('dora', RIGHT, HERE), 'dora')
    inside()
    const outcomes = await Promise.all(guesses)
    assert.deepEqual([waiting, outcomes.filter((one) => one === 'RATE_LIMITED').length], [64, 36])
  })
})
