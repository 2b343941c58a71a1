/** How a registry is declared and changed: the flags that `registry add` and `registry update` share. */
import {resolve} from 'node:path'
import * as Flags from '@oclif/core/flags'
import type {RegistryChange} from '../registries/declare.ts'
import {PREFIX_FLAG} from './transfer-flags.ts'

export const REGISTRY_FLAGS = {
  insecure: Flags.boolean({allowNo: true, env: 'HOLDFAST_INSECURE', summary: 'Do not check its certificate.'}),
  'plain-http': Flags.boolean({allowNo: true, env: 'HOLDFAST_PLAIN_HTTP', summary: 'Speak plain HTTP to it: nothing is encrypted.'}),
  'ca-file': Flags.string({env: 'HOLDFAST_CA_FILE', helpValue: 'FILE', summary: 'Trust the authorities in this PEM file, too.'}),
  'client-cert': Flags.string({
    env: 'HOLDFAST_CLIENT_CERT',
    helpValue: 'FILE',
    summary: 'PEM certificate to show; goes with --client-key.',
  }),
  'client-key': Flags.string({env: 'HOLDFAST_CLIENT_KEY', helpValue: 'FILE', summary: 'PEM key of the client certificate.'}),
  default: Flags.boolean({allowNo: true, env: 'HOLDFAST_DEFAULT', summary: 'Make it the registry that images go to when none is named.'}),
  ...PREFIX_FLAG,
  probe: Flags.boolean({allowNo: true, default: true, env: 'HOLDFAST_PROBE', summary: 'Ask the registry what it is; --no-probe does not.'}),
}

export interface RegistryFlags {
  readonly insecure?: boolean | undefined
  readonly 'plain-http'?: boolean | undefined
  readonly 'ca-file'?: string | undefined
  readonly 'client-cert'?: string | undefined
  readonly 'client-key'?: string | undefined
  readonly default?: boolean | undefined
  readonly prefix?: string | undefined
  readonly 'trust-host'?: readonly string[] | undefined
  readonly probe: boolean
}

/** The change that the flags ask for; files become absolute, since a declaration outlives the folder it was made in. */
export function registryChange(flags: RegistryFlags): RegistryChange {
  return {
    insecure: flags.insecure,
    plainHttp: flags['plain-http'],
    caFile: absolute(flags['ca-file']),
    clientCertFile: absolute(flags['client-cert']),
    clientKeyFile: absolute(flags['client-key']),
    isDefault: flags.default,
    repositoryPrefix: flags.prefix,
    // Those of HOLDFAST_TRUST_HOST name their registry, hold for one run, and are not remembered.
    trustHosts: flags['trust-host']?.filter((host) => !host.includes('=')),
    probe: flags.probe,
  }
}

/** An empty name stays empty: it takes the file away. */
function absolute(file: string | undefined): string | undefined {
  return file === undefined || file === '' ? file : resolve(file)
}
