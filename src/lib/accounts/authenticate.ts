/** Who somebody is, by name and password. Unknown names, wrong passwords and disabled accounts are refused alike, and take as long. */
import {HoldfastError} from '../core/errors.ts'
import type {Secret} from '../core/secret.ts'
import {verifyPassword} from './password.ts'
import {type SharedFailures, SharedThrottle, Throttle} from './throttle.ts'
import {VerifiedLogins} from './verified-logins.ts'

/** What is known of an account that may log in; whatever the caller wants to have back with it. */
export interface KnownAccount<Account> {
  /** Absent for one that only a directory may know. */
  readonly account?: Account | undefined
  readonly isDisabled: boolean
  /** Tells whether the password is right; the caller knows where to ask. */
  readonly proof: Proof<Account>
}

type Proof<Account> =
  /** An argon2id hash of ours; undefined for none. */
  | {readonly kind: 'password-hash'; readonly hash: string | undefined}
  /** A secret of many random bits, compared with its hash by the caller. */
  | {readonly kind: 'secret'; readonly matches: (secret: Secret) => boolean}
  /** Somebody else knows, and answers who it is. */
  | {readonly kind: 'directory'; readonly verify: (password: Secret) => Promise<Account | undefined>}

export interface AuthenticatorOptions<Account> {
  readonly find: (name: string) => Promise<KnownAccount<Account> | undefined>
  readonly now: () => Date
  /** What other replicas have seen of failed logins; this one's alone count when absent. */
  readonly sharedFailures?: SharedFailures | undefined
}

export interface Authenticator<Account> {
  /**
   * @throws {HoldfastError} UNAUTHENTICATED; RATE_LIMITED with `details.retryAfterSeconds` after too many failures; what the directory throws when it does not answer.
   */
  authenticate(name: string, password: Secret, address: string): Promise<Account>
}

export function createAuthenticator<Account>({find, now, sharedFailures}: AuthenticatorOptions<Account>): Authenticator<Account> {
  const throttle = new Throttle()
  const shared = sharedFailures === undefined ? undefined : new SharedThrottle(sharedFailures)
  const verified = new VerifiedLogins()
  const underWay = new Map<string, Promise<Account>>()

  const tryOnce = async (known: KnownAccount<Account> | undefined, login: string, attempt: Attempt): Promise<Account> => {
    const {name, password, address, at} = attempt
    assertNoDelay(throttle.delayMs(name, address, at))
    const end = throttle.begin(name, address)
    try {
      assertNoDelay((await shared?.delayMs(name, address, at)) ?? 0)
      const proven = await prove(known, password)
      if (proven === undefined || known?.isDisabled !== false) {
        throttle.fail(name, address, at)
        await shared?.fail(name, address, at)
        throw new HoldfastError('UNAUTHENTICATED', 'cannot log in: user name or password is wrong')
      }
      throttle.succeed(name, address)
      await shared?.succeed(name, address)
      if (known.proof.kind !== 'secret') verified.add(login, at)
      return proven
    } finally {
      end()
    }
  }

  return {
    async authenticate(name, password, address) {
      const at = now().getTime()
      const known = await find(name)
      const login = verified.identify(name, password, known?.proof.kind === 'password-hash' ? known.proof.hash : undefined)
      // A right password of a moment ago is let through: whoever guesses beside it does not keep its owner out.
      const {account} = known ?? {}
      if (account !== undefined && known?.isDisabled === false && known.proof.kind !== 'secret' && verified.has(login, at)) return account
      // A client that asks for several tokens at once tries its password once.
      const same = `${login} ${known?.isDisabled === true} ${address}`
      const running = underWay.get(same)
      if (running !== undefined) return await running
      const attempt = tryOnce(known, login, {name, password, address, at}).finally(() => underWay.delete(same))
      underWay.set(same, attempt)
      return await attempt
    },
  }
}

interface Attempt {
  readonly name: string
  readonly password: Secret
  readonly address: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

async function prove<Account>(known: KnownAccount<Account> | undefined, password: Secret): Promise<Account | undefined> {
  // Directories take an empty password for nobody's login, and let it through (RFC 4513 §5.1.2).
  if (password.reveal() === '') return undefined
  const proof = known?.proof
  if (proof?.kind === 'directory') return await proof.verify(password)
  const isRight = proof?.kind === 'secret' ? proof.matches(password) : await verifyPassword(password, proof?.hash)
  return isRight ? known?.account : undefined
}

function assertNoDelay(delayMs: number): void {
  if (delayMs <= 0) return
  throw new HoldfastError('RATE_LIMITED', 'cannot log in: too many attempts have failed', {
    details: {retryAfterSeconds: Math.ceil(delayMs / 1000)},
  })
}
