/** What the builder works with, and its own command line: Go's flags beside a few of ours. */

import type {BuilderDependencies} from '../builder/run-builder.ts'
import {HoldfastError} from '../core/errors.ts'
import {excerpt} from '../core/redaction.ts'
import {foreignProgramEnvironment} from '../credentials/child-environments.ts'
import {type EcrKeys, isEcrHost, requestEcrPassword} from '../object-storage/ecr.ts'
import type {Context} from './context.ts'
import type {GlobalFlags} from './global-flags.ts'
import type {SettingFlags} from './settings.ts'
import type {AccessFlags} from './transfer-flags.ts'

const SWITCHES = ['--json', '--debug', '--quiet', '-q']
const VALUES = ['--data-dir', '--trust-host', '--min-rate', '--max-wait']

/** Takes Holdfast's own flags out of the arguments; the rest is the builder's. @throws {HoldfastError} USAGE */
export function globalFlags(argv: readonly string[]): {
  readonly args: readonly string[]
  readonly flags: GlobalFlags & AccessFlags & SettingFlags
} {
  const args: string[] = []
  const values = new Map<string, readonly string[]>()
  for (let index = 0; index < argv.length; index++) {
    const arg = argv[index] ?? ''
    if (SWITCHES.includes(arg)) continue
    const [, name = '', joined] = /^(--[a-z-]+)(?:=([\s\S]*))?$/.exec(arg) ?? []
    if (!VALUES.includes(name)) {
      args.push(arg)
      continue
    }
    const value = joined ?? argv[++index]
    if (value === undefined) throw new HoldfastError('USAGE', `cannot use ${name}: it has no value`)
    values.set(name, [...(values.get(name) ?? []), value])
  }
  const last = (name: string): string | undefined => values.get(name)?.at(-1)
  const flags = {
    'data-dir': last('--data-dir'),
    'trust-host': values.get('--trust-host')?.flatMap((hosts) => hosts.split(',')),
    'min-rate': readCount('--min-rate', last('--min-rate')),
    'max-wait': readCount('--max-wait', last('--max-wait')),
  }
  return {args, flags: Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)) as unknown as GlobalFlags}
}

function readCount(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[0-9]{1,6}$/.test(text)) return Number(text)
  throw new HoldfastError('USAGE', `cannot use ${name} "${excerpt(text)}": it is not a whole number from 0 to 999999`)
}

export async function builderAccess(context: Context): Promise<Omit<BuilderDependencies, 'say'>> {
  const [records, {undeclaredEndpoint}, {withTrustedHosts}, {parseRegistryHost}, {formatInstance}] = await Promise.all([
    context.records(),
    import('../registries/endpoint.ts'),
    import('../registries/find.ts'),
    import('../oci/reference.ts'),
    import('../service-discovery/instance.ts'),
  ])
  return {
    records,
    now: () => new Date(),
    random: Math.random,
    environment: foreignProgramEnvironment(context.environment),
    signal: context.signal,
    async openSource({registry}, {isInsecure, credential}) {
      if (!isInsecure) return await context.openHost(registry, {credential})
      // Whoever lists a registry as insecure takes it as it comes: an unknown certificate, or none.
      const endpoint = await withTrustedHosts(records, await undeclaredEndpoint(registry, {insecure: true}))
      return await context.openRegistry({...endpoint, plainHttp: 'fallback'}, credential)
    },
    exchangeKeys: (registry, {username, password}) =>
      isEcrHost(registry) ? exchangeEcrKeys(context, registry, {accessKey: username, secretKey: password}) : undefined,
    async openCache(name, instance, requireTls) {
      const endpoint = await undeclaredEndpoint(requireTls ? name : parseRegistryHost(formatInstance(instance)), {plainHttp: !requireTls})
      return {registry: name, store: await context.openRegistry(await withTrustedHosts(records, endpoint))}
    },
  }
}

async function exchangeEcrKeys(context: Context, registry: string, keys: EcrKeys): ReturnType<typeof requestEcrPassword> {
  const {proxyFor, onExchange} = await context.loginNetwork()
  const {AWS_ENDPOINT_URL_ECR: endpoint} = context.environment
  if (endpoint && !URL.canParse(endpoint)) {
    throw new HoldfastError('CONFIGURATION', `cannot use "AWS_ENDPOINT_URL_ECR": "${excerpt(endpoint)}" is not a URL`)
  }
  const network = {proxyFor, onExchange, signal: context.signal, endpoint: endpoint ? new URL(endpoint) : undefined}
  return await requestEcrPassword(registry, keys, network)
}
