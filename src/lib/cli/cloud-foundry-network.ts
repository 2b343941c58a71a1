/** How requests to a foundation go. */
import type {CloudFoundryNetwork} from '../cloud-foundry/uaa.ts'
import {SYSTEM_CLOCK} from '../core/retry.ts'
import type {Context} from './context.ts'
import {readInputFile} from './input-file.ts'

export async function cloudFoundryNetwork(context: Context): Promise<CloudFoundryNetwork> {
  const {proxyFor, userAgent, onExchange} = await context.loginNetwork()
  const {signal, environment} = context
  const ca = environment.HOLDFAST_CF_CA_FILE ? (await readInputFile(environment.HOLDFAST_CF_CA_FILE, signal)).toString('utf8') : undefined
  return {proxyFor, userAgent, onExchange, signal, ca, now: () => new Date(), sleep: (ms) => SYSTEM_CLOCK.sleep(ms, signal)}
}
