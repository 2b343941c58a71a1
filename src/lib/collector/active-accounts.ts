/** Whether accounts may still do anything: asked at each request to the registry of `serve`, whose tokens outlast a change. */
import {type Account, isDisabled} from './subjects.ts'

/** A change is known after so long. */
const LIFE_MS = 5_000
const MAX_ACCOUNTS = 10_000

/**
 * Creates the question whether an account is there and not disabled. While the database does not answer, every account is: what was issued is good.
 * @param find the account of that name.
 */
export function createActiveAccounts(
  find: (name: string) => Promise<Account | undefined>,
  now: () => Date,
): (name: string) => Promise<boolean> {
  const known = new Map<string, {readonly isActive: Promise<boolean>; readonly askedAtMs: number}>()
  return async (name) => {
    const at = now().getTime()
    const last = known.get(name)
    if (last !== undefined && at - last.askedAtMs < LIFE_MS) return await last.isActive
    const isActive = find(name).then(
      (account) => account !== undefined && !isDisabled(account),
      () => true,
    )
    known.delete(name)
    known.set(name, {isActive, askedAtMs: at})
    for (const oldest of known.keys()) {
      if (known.size <= MAX_ACCOUNTS) break
      known.delete(oldest)
    }
    return await isActive
  }
}
