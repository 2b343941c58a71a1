/** Who somebody is, by name and password. Unknown names, wrong passwords and disabled accounts are refused alike, and take as long. */
import {HoldfastError} from '../core/errors.ts'
import type {Secret} from '../core/secret.ts'
import {verifyPassword} from './password.ts'
import {type LoginAttempt, type LoginHistory, Throttle} from './throttle.ts'
import {VerifiedLogins} from './verified-logins.ts'

/** Where an account has logged in before, its password is checked before others. */
const WEIGHT_WHERE_PROVEN = 1

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
  /** What was tried before, here and at other replicas. */
  readonly history: LoginHistory
}

export interface Authenticator<Account> {
  /**
   * @throws {HoldfastError} UNAUTHENTICATED; RATE_LIMITED after too many failures and OVERLOADED while too many passwords are being checked, both with
   *   `details.retryAfterSeconds`; what the directory throws when it does not answer.
   */
  authenticate(name: string, password: Secret, address: string): Promise<Account>
}

export function createAuthenticator<Account>({find, now, history}: AuthenticatorOptions<Account>): Authenticator<Account> {
  const throttle = new Throttle(history)
  const verified = new VerifiedLogins()
  const underWay = new Map<string, Promise<Account>>()

  const tryOnce = async (known: KnownAccount<Account> | undefined, password: Secret, login: string, attempt: LoginAttempt) => {
    const {isProven, fail, succeed, end} = await throttle.admit(attempt)
    try {
      const proven = await prove(known, password, isProven ? WEIGHT_WHERE_PROVEN : 0)
      if (proven === undefined || known?.isDisabled !== false) {
        await fail()
        throw refusal()
      }
      await succeed()
      verified.add(login, attempt.at)
      return proven
    } finally {
      end()
    }
  }

  return {
    async authenticate(name, password, address) {
      const at = now().getTime()
      const known = await find(name)
      const {account, isDisabled = true, proof} = known ?? {}
      // So many random bits are not guessed, and cost nothing to check: no failure keeps a workload out.
      if (proof?.kind === 'secret') {
        if (account !== undefined && !isDisabled && proof.matches(password)) return account
        throw refusal()
      }
      const login = verified.identify(name, password, proof?.kind === 'password-hash' ? proof.hash : undefined)
      // A right password of a moment ago passes: guesses made beside it do not keep its owner out.
      if (account !== undefined && !isDisabled && verified.has(login, at)) return account
      // A client that asks for several tokens at once tries its password once.
      const same = `${login} ${isDisabled} ${address}`
      const running = underWay.get(same)
      if (running !== undefined) return await running
      const attempt = {account: name, isKnown: account !== undefined, address, at}
      const tried = tryOnce(known, password, login, attempt).finally(() => underWay.delete(same))
      underWay.set(same, tried)
      return await tried
    },
  }
}

async function prove<Account>(known: KnownAccount<Account> | undefined, password: Secret, weight: number): Promise<Account | undefined> {
  // Directories take an empty password for nobody's login, and let it through (RFC 4513 §5.1.2).
  if (password.reveal() === '') return undefined
  const proof = known?.proof
  if (proof?.kind === 'directory') return await proof.verify(password)
  return (await verifyPassword(password, proof?.kind === 'password-hash' ? proof.hash : undefined, weight)) ? known?.account : undefined
}

function refusal(): HoldfastError {
  return new HoldfastError('UNAUTHENTICATED', 'cannot log in: user name or password is wrong')
}
