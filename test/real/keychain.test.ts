/** The genuine Secret Service, gnome-keyring, in every state that users meet; each call is a whole process of its own. */
import assert from 'node:assert/strict'
import {fileURLToPath} from 'node:url'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DesktopSession, type KeyringState, startDeadBus, startDesktopSession} from '../support/keyring.ts'
import {PATIENCE_MS} from '../support/patience.ts'
import {needs} from '../support/required-program.ts'
import {run} from '../support/run-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const CALLER = fileURLToPath(new URL('../support/keychain-caller.ts', import.meta.url))
/** Between our bound (2.5 s, and the starts of two processes on a busy machine) and what a keychain takes that does not answer (25 s, or for ever). */
const MAX_WAIT_MS = 20_000
const WRITERS = 20

interface Outcome {
  readonly value?: string
  readonly existed?: boolean
  readonly code?: string
  readonly message?: string
  readonly hints?: readonly string[]
}

describe('the keychain', function () {
  this.timeout(180_000)
  needs('dbus-daemon', 'dbus-send', 'dbus-test-tool', 'gnome-keyring-daemon')
  const afterwards = cleanUpAfterwards()
  let home: string

  before(async () => {
    const {path, remove} = await createTemporaryDirectory('keychain')
    afterwards(remove)
    home = path
  })

  /** `read`, `write` or `delete` the secret of an account; the secret is handed over on standard input. */
  async function call(session: Pick<DesktopSession, 'env'>, operation: string, account = 'ann', secret = ''): Promise<Outcome> {
    const {stdout, stderr} = await run(process.execPath, [CALLER, operation, account], {env: session.env, input: secret})
    assert.notEqual(stdout, '', stderr)
    return JSON.parse(stdout)
  }

  async function inSession(state: KeyringState, use: (session: DesktopSession) => Promise<void>): Promise<void> {
    const session = await startDesktopSession(home, state)
    try {
      await use(session)
    } finally {
      await session.stop()
    }
  }

  async function failsInTime(session: Pick<DesktopSession, 'env'>, operation: string, code: string): Promise<void> {
    const start = performance.now()
    const outcome = await call(session, operation, 'ann', 'never-kept')
    const waitedMs = performance.now() - start
    assert.equal(outcome.code, code, JSON.stringify(outcome))
    assert.ok(waitedMs < MAX_WAIT_MS, `${Math.round(waitedMs)} ms`)
    assert.ok(
      outcome.hints?.some((hint) => hint.includes('HOLDFAST_AUTH_')),
      'no way out for CI',
    )
    assert.ok(!JSON.stringify(outcome).includes('never-kept'))
  }

  it('keeps, replaces, finds and deletes secrets: tokens of any length, and any characters', async () => {
    await inSession('unlocked', async (session) => {
      assert.deepEqual(await call(session, 'read'), {})
      for (const secret of ['pass', 'other', `pass:word "ü" \u0000 $`, 'x'.repeat(40_000)]) {
        assert.deepEqual(await call(session, 'write', 'ann@example.com', secret), {})
        assert.deepEqual(await call(session, 'read', 'ann@example.com'), {value: secret})
      }
      assert.deepEqual(await call(session, 'delete', 'ann@example.com'), {existed: true})
      assert.deepEqual(await call(session, 'delete', 'ann@example.com'), {existed: false})
    })
  })

  it('splits a long token over several items where items are small, and puts it together again', async () => {
    await inSession('unlocked', async (session) => {
      const windows = {env: {...session.env, KEYCHAIN_PLATFORM: 'win32'}}
      const token = Array.from({length: 2_000}, (_, position) => String(position)).join('.')
      await call(windows, 'write', 'long', token)
      assert.deepEqual(await call(windows, 'read', 'long'), {value: token})
      await call(windows, 'write', 'long', 'short')
      assert.deepEqual(await call(windows, 'read', 'long'), {value: 'short'})
      assert.deepEqual(await call(windows, 'delete', 'long'), {existed: true})
    })
  })

  it(`loses nothing when ${WRITERS} processes write at once`, async () => {
    await inSession('unlocked', async (session) => {
      // Whether anything is lost is asked here, not how fast so many processes start.
      const patient = {env: {...session.env, KEYCHAIN_TIMEOUT_MS: String(PATIENCE_MS)}}
      const accounts = Array.from({length: WRITERS}, (_, position) => `writer-${position}`)
      const written = await Promise.all(accounts.map((account) => call(patient, 'write', account, `secret of ${account}`)))
      assert.deepEqual(written, Array(WRITERS).fill({}))
      const kept = await Promise.all(accounts.map((account) => call(patient, 'read', account)))
      assert.deepEqual(
        kept.map(({value}) => value),
        accounts.map((account) => `secret of ${account}`),
      )
    })
  }).timeout(PATIENCE_MS)

  it('says that it is locked when the dialog to open it is dismissed, instead of "there is no such secret"', async () => {
    await inSession('unlocked', async (session) => {
      await call(session, 'write', 'ann', 'kept')
    })
    await inSession('locked', async (session) => {
      for (const operation of ['read', 'write', 'delete']) await failsInTime(session, operation, 'KEYCHAIN_LOCKED')
    })
    await inSession('unlocked', async (session) => {
      assert.deepEqual(await call(session, 'read'), {value: 'kept'})
    })
  })

  it('gives up a dialog that nobody answers, and waits longer when told to', async () => {
    await inSession('unanswered', async (session) => {
      await failsInTime(session, 'read', 'KEYCHAIN_TIMEOUT')
      const start = performance.now()
      const {code} = await call({env: {...session.env, KEYCHAIN_TIMEOUT_MS: '4000'}}, 'read')
      assert.equal(code, 'KEYCHAIN_TIMEOUT')
      assert.ok(performance.now() - start >= 4_000)
    })
  })

  it('says what is missing without a message bus, and on one without a Secret Service', async () => {
    await inSession('absent', async (session) => {
      await failsInTime(session, 'read', 'KEYCHAIN_UNAVAILABLE')
      await failsInTime({env: {...session.env, DBUS_SESSION_BUS_ADDRESS: undefined}}, 'write', 'KEYCHAIN_UNAVAILABLE')
      await failsInTime({env: {...session.env, DBUS_SESSION_BUS_ADDRESS: `unix:path=${home}/nobody`}}, 'read', 'KEYCHAIN_UNAVAILABLE')
    })
  })

  it('gives up a Secret Service, and a message bus, that never answer', async () => {
    await inSession('silent', (session) => failsInTime(session, 'read', 'KEYCHAIN_TIMEOUT'))
    const dead = await startDeadBus(home)
    afterwards(dead.stop)
    await failsInTime(dead, 'read', 'KEYCHAIN_TIMEOUT')
  })
})
