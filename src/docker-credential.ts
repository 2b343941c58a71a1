/** `docker-credential-holdfast`: what docker, podman and skopeo run to ask for the logins that Holdfast keeps. It has twice the time of an empty Node program. */
import {readFileSync, writeFileSync} from 'node:fs'
import {onCrash} from './lib/cli/crash.ts'
import {dataDirectory, recordsFile} from './lib/cli/data-directory.ts'
import {formatError, reportError} from './lib/cli/error-report.ts'
import {homeDirectory} from './lib/cli/home-directory.ts'
import {keychainTimeoutMs} from './lib/cli/keychain-timeout.ts'
import {PLAIN} from './lib/cli/paint.ts'
import {writeError} from './lib/cli/standard-streams.ts'
import {answerHelper, type HelperAnswer, refuseHelper} from './lib/credentials/credential-helper/protocol.ts'
import {createGuardedItems} from './lib/credentials/keychain/guarded-items.ts'
import {createKeychain} from './lib/credentials/keychain/keychain.ts'
import {assertBusAnswers} from './lib/credentials/keychain/message-bus.ts'
import {createNativeItems} from './lib/credentials/keychain/native-items.ts'
import {DEFAULT_KEYCHAIN_TIMEOUT_MS} from './lib/credentials/keychain/open-keychain.ts'
import {createLogins} from './lib/credentials/logins.ts'
import {openSqliteStore} from './lib/records/sqlite/open-store.ts'

const STANDARD_INPUT = 0
const STANDARD_OUTPUT = 1

/** Answers one action; the exit code says whether it succeeded. */
export async function main(action: string): Promise<void> {
  onCrash(tell)
  let isAbandoned = false
  const answer = await respond(action, () => {
    isAbandoned = true
  }).catch(refuseHelper)
  process.exitCode = answer.exitCode
  try {
    writeFileSync(STANDARD_OUTPUT, answer.stdout)
  } catch (error) {
    tell(error instanceof Error ? writeError(error) : error)
  }
  // Whoever asked must not wait for a thread that the keychain holds.
  if (isAbandoned) process.kill(process.pid, 'SIGKILL')
}

/** Errors that the protocol has no place for. */
function tell(error: unknown): void {
  const {body, exitCode} = reportError(error)
  process.exitCode = exitCode
  process.stderr.on('error', () => {}).write(`${formatError(body, PLAIN).join('\n')}\n`)
}

async function respond(action: string, onAbandoned: () => void): Promise<HelperAnswer> {
  const {env, platform} = process
  const timeoutMs = keychainTimeoutMs(env) ?? DEFAULT_KEYCHAIN_TIMEOUT_MS
  // The bus answers while the records are opened.
  const items = createGuardedItems(createNativeItems(), {ready: findBus(timeoutMs), timeoutMs, onAbandoned})
  const file = recordsFile(dataDirectory(env.HOLDFAST_DATA_DIR, env, {platform, homeDirectory: homeDirectory()}))
  // A home that belongs to another user is as good as none.
  const records = await openSqliteStore({file, onDenied: env.HOLDFAST_DATA_DIR ? undefined : () => {}})
  const logins = createLogins({records, secrets: createKeychain(items, platform)})
  try {
    return await answerHelper(action, action === 'list' ? '' : readFileSync(STANDARD_INPUT, 'utf8'), {logins, now: () => new Date()})
  } finally {
    records.close()
  }
}

/** Elsewhere than on Linux, and without a bus, the keychain itself tells in time that it is not there. */
async function findBus(timeoutMs: number): Promise<void> {
  const address = process.env.DBUS_SESSION_BUS_ADDRESS
  const userId = process.getuid?.()
  if (process.platform === 'linux' && address && userId !== undefined) await assertBusAnswers(address, userId, timeoutMs)
}
