/** Telling people what came of a deployment, where they asked for it; what cannot be told fails nothing. */
import {HoldfastError} from '../core/errors.ts'
import {text} from '../core/terminal-text.ts'
import type {Context} from './context.ts'
import type {Output} from './output.ts'

export interface DeploymentNews {
  readonly environment: 'staging' | 'production'
  readonly outcome: 'deployed' | 'failed' | 'cancelled'
  readonly name: string
  readonly url: string
}

const SENTENCES = {
  deployed: 'is deployed',
  failed: 'could not be deployed; it was left as it is, to be looked at',
  cancelled: 'could not be deployed; the deployment was cancelled, and what ran before runs again',
} as const

/** The address is a secret of its own: who has it may write there. It is in the environment, and in no message. */
export async function notifyOf(context: Context, news: DeploymentNews, output: Output): Promise<void> {
  const address = context.environment.HOLDFAST_NOTIFY_URL
  if (!address) return
  if (!URL.canParse(address) || !/^https?:/.test(address))
    return output.warn(text`the notification was not sent: HOLDFAST_NOTIFY_URL is not a URL`)
  const [{requestJson}, {proxyFor, userAgent}] = await Promise.all([import('../http/json-client.ts'), context.loginNetwork()])
  const url = new URL(address)
  const promotion =
    news.environment === 'staging' && news.outcome === 'deployed'
      ? '. It can go to production: holdfast mirror deploy --environment production --promote'
      : ''
  try {
    const {status} = await requestJson({
      method: 'POST',
      url,
      headers: userAgent === undefined ? {} : {'user-agent': userAgent},
      json: {text: `${news.name} (${news.environment}, ${news.url}) ${SENTENCES[news.outcome]}${promotion}`, ...news},
      proxy: proxyFor?.(url),
      signal: context.signal,
    })
    if (status >= 300) output.warn(text`the notification was not delivered: the address of HOLDFAST_NOTIFY_URL answered ${status}`)
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    output.warn(text`the notification was not delivered: the address of HOLDFAST_NOTIFY_URL could not be reached (${error.code})`)
  }
}
