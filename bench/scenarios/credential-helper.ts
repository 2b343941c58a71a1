/** What docker waits for at each pull: the credential helper that answers from the keychain, against a Node that does nothing. */
import {mkdtemp} from 'node:fs/promises'
import {join} from 'node:path'
import {startDesktopSession} from '../../test/support/keyring.ts'
import type {Laboratory} from '../laboratory.ts'
import {type Command, measure} from '../measure.ts'
import {type Contestant, OURS, type Scenario} from '../scenario.ts'

const HELPER = join(import.meta.dirname, '../../bin/docker-credential-holdfast.js')
const RIVAL = 'node -e 0'
const SERVER = 'registry.example.com'

export async function openCredentialHelperScenario(laboratory: Laboratory): Promise<Scenario> {
  const {memoryFolder, closers} = laboratory
  const home = await mkdtemp(join(memoryFolder, 'desktop-'))
  const session = await startDesktopSession(home, 'unlocked')
  closers.add(session.stop)
  const environment = {
    ...laboratory.environment,
    DBUS_SESSION_BUS_ADDRESS: session.env.DBUS_SESSION_BUS_ADDRESS ?? '',
    HOLDFAST_DATA_DIR: join(home, 'holdfast'),
  }
  const helper = (action: string, input: string): Command => ({argv: [process.execPath, HELPER, action], environment, input})
  await measure(helper('store', JSON.stringify({ServerURL: SERVER, Username: 'ann', Secret: 'secret'})), memoryFolder)
  const contestant = (name: string, command: Command): Contestant => ({name, sample: () => measure(command, memoryFolder)})
  const node = contestant(RIVAL, {argv: [process.execPath, '-e', '0'], environment})
  return {
    name: 'credential-helper',
    title: 'docker-credential-holdfast get against node -e 0',
    rival: RIVAL,
    targets: {wallRatio: 2},
    runsFactor: 4,
    contestants: laboratory.toolNames.has(OURS) ? [contestant(OURS, helper('get', SERVER)), node] : [node],
  }
}
