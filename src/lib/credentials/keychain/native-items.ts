/**
 * Items of the operating system's keychain, through the binding, in this very process. The binding can block: for 2 s when the Secret Service does not answer,
 * for ever when the message bus does not, and for 25 s when nobody answers the dialog that asks to unlock; use it only where the process may be killed.
 */
import {ItemError, type ItemStore} from './item-store.ts'

/** The name under which all items of this program stand. */
const SERVICE = 'holdfast'
/** Without it, the binding falls back to the kernel's key ring, which forgets at the next start of the machine. */
const OPTIONS = {linux: {store: 'secret-service' as const}}

const LOCKED = /dismissed|\b(?:is)?locked\b|interaction is not allowed|user canceled|-25308|-128\b/i
const NO_ANSWER = /did not receive a reply|timed? ?out|no reply/i

/** Opens the keychain; nothing is asked of it yet. */
export function createNativeItems(): ItemStore {
  return {
    readItem: (name) =>
      attempt(name, async (entry) => {
        const value = await entry.getSecret()
        return value === null ? undefined : Buffer.from(value)
      }),
    writeItem: (name, value) => attempt(name, (entry) => entry.setSecret(value)),
    deleteItem: (name) => attempt(name, (entry) => entry.deleteCredential()),
  }
}

async function attempt<T>(name: string, use: (entry: import('keytar').AsyncEntry) => Promise<T>): Promise<T> {
  try {
    const {AsyncEntry} = await import('keytar')
    return await use(new AsyncEntry(SERVICE, name, OPTIONS))
  } catch (cause) {
    throw describe(cause)
  }
}

function describe(cause: unknown): ItemError {
  const [line = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n')
  if (NO_ANSWER.test(line)) return new ItemError('timeout', 'its service does not answer')
  if (LOCKED.test(line)) return new ItemError('locked', 'it is locked, and nobody has opened it')
  return new ItemError('unavailable', line)
}
