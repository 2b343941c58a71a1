/** Logins as people read them. */

import {type TerminalText, text} from '../core/terminal-text.ts'
import {loginTarget} from '../credentials/logins.ts'
import type {DeviceCode} from '../login/identity-provider.ts'
import type {LoginOutcome} from '../login/log-in.ts'
import type {RateLimit} from '../login/rate-limit.ts'
import type {LoginRecord} from '../records/store.ts'
import {formatTable} from './table.ts'
import {formatMinute} from './units.ts'

const KINDS = {'identity-token': 'identity token', password: 'password', 'registry-token': 'registry token'} as const

/** Who has logged in where; nothing that is not proven is called a login. */
export function describeLogin({login, isProven}: LoginOutcome): readonly TerminalText[] {
  if (isProven) return [text`Logged in to ${loginTarget(login)} as ${login.account}`]
  return [text`Kept for ${loginTarget(login)} as ${login.account}, without a proof`]
}

/** What is kept of a login and where, a sentence each. */
export function describeKept({login, isProven, reason, realmHost}: LoginOutcome, keychain: string): readonly TerminalText[] {
  const lines: TerminalText[] = []
  if (realmHost !== undefined && realmHost !== login.registry) lines.push(text`the token endpoint of ${login.registry} is at ${realmHost}`)
  if (!isProven)
    lines.push(
      text`not proven: ${login.registry} answers without asking who you are; with a path it is proven at a repository: holdfast login ${login.registry}/REPOSITORY`,
    )
  if (login.kind === 'password') return [...lines, text`the password is kept in ${keychain}${reason === undefined ? '' : `: ${reason}`}`]
  const end = login.expiresAt === undefined ? '' : `; it ends on ${login.expiresAt}`
  return [...lines, text`an identity token is kept in ${keychain}, and the password nowhere${end}`]
}

/** What somebody has to do with a browser. */
export function describeDeviceCode({
  verificationUri,
  verificationUriComplete,
  userCode,
  expiresInSeconds,
}: DeviceCode): readonly TerminalText[] {
  const minutes = Math.max(1, Math.floor(expiresInSeconds / 60))
  return [
    text`Open ${verificationUri} in a browser and enter the code ${userCode}`,
    ...(verificationUriComplete === undefined ? [] : [text`or open ${verificationUriComplete}`]),
    text`Waiting for ${minutes} min at most; Ctrl-C ends it.`,
  ]
}

/** All logins, a row each. */
export function describeLogins(logins: readonly LoginRecord[]): readonly TerminalText[] {
  const rows = logins.map((login) => [
    loginTarget(login),
    login.account,
    KINDS[login.kind],
    formatMinute(login.loggedInAt),
    login.expiresAt === undefined ? '-' : formatMinute(login.expiresAt),
  ])
  return formatTable(['REGISTRY', 'ACCOUNT', 'KEPT', 'SINCE (UTC)', 'ENDS (UTC)'], rows)
}

export function describeKind(kind: keyof typeof KINDS): string {
  return KINDS[kind]
}

/** `98 of 100 pulls left in 6 h`. */
export function describeRateLimit({limit, remaining, windowSeconds}: RateLimit): TerminalText {
  const window = windowSeconds === undefined ? '' : ` in ${formatWindow(windowSeconds)}`
  return text`${remaining} of ${limit} pulls left${window}`
}

function formatWindow(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600} h`
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`
}
