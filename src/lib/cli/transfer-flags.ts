/** Flags that commands share when they reach registries or move images: one flag means one thing everywhere. */
import * as Flags from '@oclif/core/flags'
import {parseDurationMs} from '../core/duration.ts'
import {HoldfastError} from '../core/errors.ts'
import {excerpt} from '../core/redaction.ts'
import type {TransportSettings} from '../registries/endpoint.ts'
import {MAX_MINIMUM_RATE} from './settings.ts'

const SECOND_MS = 1000

/** Whom a registry may send credentials to, for one run; `registry add`, `registry update` and `login` remember it. */
export const TRUST_FLAGS = {
  'trust-host': Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
    env: 'HOLDFAST_TRUST_HOST',
    helpGroup: 'REGISTRY ACCESS',
    helpValue: '[REGISTRY=]HOST[:PORT]',
    summary:
      'Host trusted with the credentials and blobs of the registry, or of REGISTRY alone; without a port, on port 443, or 80 of plain HTTP. Repeatable.',
  }),
}

/** Where cached images get their GUIDs. */
export const PREFIX_FLAG = {
  prefix: Flags.string({
    env: 'HOLDFAST_PREFIX',
    helpValue: 'NAME',
    summary: 'Repository below which cached images get their GUIDs, such as apps/shop; "" for the root of the registry.',
  }),
}

/** How slow a transfer may be. */
export const RATE_FLAGS = {
  'min-rate': Flags.integer({
    env: 'HOLDFAST_MIN_RATE',
    min: 0,
    max: MAX_MINIMUM_RATE,
    helpGroup: 'REGISTRY ACCESS',
    helpValue: 'KB/S',
    summary: 'Lowest rate of each request in kB/s, averaged over 60 s (default 1); a slower one fails. 0: no limit.',
  }),
}

/** Which login is used, how credentials are found, and how long a registry may make us wait. */
export const ACCESS_FLAGS = {
  ...TRUST_FLAGS,
  account: Flags.string({
    env: 'HOLDFAST_ACCOUNT',
    helpGroup: 'REGISTRY ACCESS',
    helpValue: 'NAME',
    summary: 'Use the login of this account; without it, the one that logged in last.',
  }),
  'allow-helper': Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
    env: 'HOLDFAST_ALLOW_HELPER',
    helpGroup: 'REGISTRY ACCESS',
    helpValue: 'NAME',
    summary: 'Allow docker-credential-NAME to be run where the configuration of docker or podman names it, this time. Repeatable.',
  }),
  'max-wait': Flags.integer({
    env: 'HOLDFAST_MAX_WAIT',
    min: 0,
    helpGroup: 'REGISTRY ACCESS',
    helpValue: 'SECONDS',
    summary: 'How long one request may wait for a registry that asks to slow down (HTTP 429). Default: 300.',
  }),
  ...RATE_FLAGS,
}

export interface AccessFlags {
  readonly account?: string | undefined
  readonly 'allow-helper'?: readonly string[] | undefined
  readonly 'max-wait'?: number | undefined
}

/** The budget for HTTP 429 in milliseconds. */
export function rateLimitWaitMs(flags: AccessFlags): number | undefined {
  const seconds = flags['max-wait']
  return seconds === undefined ? undefined : seconds * SECOND_MS
}

/** How to reach the source for this run, over what is declared. */
export const SOURCE_FLAGS = {
  'source-insecure': Flags.boolean({
    env: 'HOLDFAST_SOURCE_INSECURE',
    helpGroup: 'REGISTRY ACCESS',
    summary: 'Do not check the certificate of the source.',
  }),
  'source-plain-http': Flags.boolean({
    env: 'HOLDFAST_SOURCE_PLAIN_HTTP',
    helpGroup: 'REGISTRY ACCESS',
    summary: 'Speak plain HTTP to the source.',
  }),
  'source-ca-file': Flags.string({
    env: 'HOLDFAST_SOURCE_CA_FILE',
    helpGroup: 'REGISTRY ACCESS',
    helpValue: 'FILE',
    summary: 'Trust the authorities in this PEM file at the source, too.',
  }),
}

export interface SourceFlags {
  readonly 'source-insecure'?: boolean | undefined
  readonly 'source-plain-http'?: boolean | undefined
  readonly 'source-ca-file'?: string | undefined
}

export function sourceTransport(flags: SourceFlags): TransportSettings {
  return {insecure: flags['source-insecure'], plainHttp: flags['source-plain-http'], caFile: flags['source-ca-file']}
}

/** How to reach the target for this run, over what is declared. */
export const TARGET_FLAGS = {
  'target-insecure': Flags.boolean({
    env: 'HOLDFAST_TARGET_INSECURE',
    helpGroup: 'REGISTRY ACCESS',
    summary: 'Do not check the certificate of the target.',
  }),
  'target-plain-http': Flags.boolean({
    env: 'HOLDFAST_TARGET_PLAIN_HTTP',
    helpGroup: 'REGISTRY ACCESS',
    summary: 'Speak plain HTTP to the target.',
  }),
  'target-ca-file': Flags.string({
    env: 'HOLDFAST_TARGET_CA_FILE',
    helpGroup: 'REGISTRY ACCESS',
    helpValue: 'FILE',
    summary: 'Trust the authorities in this PEM file at the target, too.',
  }),
}

export interface TargetFlags {
  readonly 'target-insecure'?: boolean | undefined
  readonly 'target-plain-http'?: boolean | undefined
  readonly 'target-ca-file'?: string | undefined
}

export function targetTransport(flags: TargetFlags): TransportSettings {
  return {insecure: flags['target-insecure'], plainHttp: flags['target-plain-http'], caFile: flags['target-ca-file']}
}

/** What of an image moves, and how carefully. */
export const COPY_FLAGS = {
  platform: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
    env: 'HOLDFAST_PLATFORM',
    helpValue: 'OS/ARCH[/VARIANT]',
    summary: 'Copy this platform only; the digest then changes. Repeatable. Default: all.',
  }),
  referrers: Flags.boolean({
    allowNo: true,
    default: true,
    env: 'HOLDFAST_REFERRERS',
    summary: 'Copy signatures, SBOMs and other referrers as well; --no-referrers leaves them behind.',
  }),
  'foreign-layers': Flags.boolean({
    env: 'HOLDFAST_FOREIGN_LAYERS',
    summary: 'Copy the bytes of foreign layers as well, where the source has them; otherwise the copy needs their URLs.',
  }),
  verify: Flags.boolean({
    env: 'HOLDFAST_VERIFY',
    summary: 'Hash every byte that moves, then read every byte that the target has, and heal what is damaged under the same name.',
  }),
  concurrency: Flags.integer({
    char: 'j',
    env: 'HOLDFAST_CONCURRENCY',
    min: 1,
    max: 64,
    helpValue: 'N',
    summary: 'Blobs on their way at once. Default: 6, fewer where a registry asks to slow down.',
  }),
}

/** When copies that are there already are looked at again. */
export const RECHECK_FLAGS = {
  recheck: Flags.boolean({
    env: 'HOLDFAST_RECHECK',
    summary: 'Look now whether the copy is still whole, and heal it under the same name where it is not.',
  }),
  'recheck-every': Flags.string({
    env: 'HOLDFAST_RECHECK_EVERY',
    default: '24h',
    helpValue: 'DURATION',
    summary: 'Look again when the last check on this machine is older than this. Default: 24h.',
  }),
}

export interface RecheckFlags {
  readonly recheck?: boolean | undefined
  readonly 'recheck-every': string
}

/** In milliseconds; 0 for now. @throws {HoldfastError} USAGE for an interval that is none. */
export function recheckMs(flags: RecheckFlags): number {
  const everyMs = parseDurationMs(flags['recheck-every'])
  if (everyMs === undefined) {
    throw new HoldfastError('USAGE', `cannot check every "${excerpt(flags['recheck-every'])}": it is not a duration`, {
      hints: ['--recheck-every 24h'],
    })
  }
  return flags.recheck === true ? 0 : everyMs
}
