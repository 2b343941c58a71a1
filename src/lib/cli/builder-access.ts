/** What the builder works with, and its own command line: Go's flags beside a few of ours. */

import type {BuilderDependencies} from '../builder/run-builder.ts'
import {foreignProgramEnvironment} from '../credentials/child-environments.ts'
import type {Context} from './context.ts'
import type {GlobalFlags} from './global-flags.ts'

const SWITCHES = ['--json', '--debug', '--quiet', '-q']

/** Takes Holdfast's own flags out of the arguments; the rest is the builder's. */
export function globalFlags(argv: readonly string[]): {readonly args: readonly string[]; readonly flags: GlobalFlags} {
  const args: string[] = []
  let directory: string | undefined
  for (let index = 0; index < argv.length; index++) {
    const arg = argv[index] ?? ''
    if (SWITCHES.includes(arg)) continue
    if (arg === '--data-dir') {
      index++
      directory = argv[index]
    } else if (arg.startsWith('--data-dir=')) directory = arg.slice('--data-dir='.length)
    else args.push(arg)
  }
  return {args, flags: {...(directory === undefined ? {} : {'data-dir': directory})} as GlobalFlags}
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
    async openCache(name, instance, requireTls) {
      const endpoint = await undeclaredEndpoint(requireTls ? name : parseRegistryHost(formatInstance(instance)), {plainHttp: !requireTls})
      return {registry: name, store: await context.openRegistry(await withTrustedHosts(records, endpoint))}
    },
  }
}
