/**
 * What several commands go by, each read here and nowhere else: from the flag where the command has it, else from the flag's variable, else the default.
 * So a server and the commands beside it never go by different values.
 */
import {HoldfastError} from '../core/errors.ts'
import {MINIMUM_RATE, type MinimumRate} from '../core/rate-watch.ts'
import {excerpt} from '../core/redaction.ts'
import {Secret} from '../core/secret.ts'
import {parseRegistryHost, type RegistryHost} from '../oci/reference.ts'
import {parseListenAddress} from './listen-address.ts'

/** Where `serve` listens unless told otherwise. */
export const DEFAULT_LISTEN = '127.0.0.1:5050'
/** Issuer of tokens, unless told otherwise. */
export const DEFAULT_ISSUER = 'holdfast'

/** Largest `--min-rate`, in kB/s. */
export const MAX_MINIMUM_RATE = 1_000_000
const KILOBYTE = 1000

const EVERY_ADDRESS = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

export interface SettingFlags {
  readonly 'data-dir'?: string | undefined
  /** Where the embedded registry listens: the `--listen` of `serve`. That of other servers is something else. */
  readonly embeddedListen?: string | undefined
  readonly issuer?: string | undefined
  readonly 'registry-network'?: readonly string[] | undefined
  readonly collector?: string | undefined
  readonly 'trust-host'?: readonly string[] | undefined
  readonly 'min-rate'?: number | undefined
  readonly 'cf-secret-stdin'?: boolean | undefined
}

/** A host that is trusted with the credentials and blobs of a registry for one run. */
interface TrustedHost {
  /** Absent for every registry that the command asks. */
  readonly registry?: RegistryHost
  /** `host` or `host:port` */
  readonly host: string
}

/** The foundation that variables name, and who logs in there for this run. */
export interface CloudFoundrySettings {
  readonly api: string | undefined
  readonly username: string | undefined
  readonly password: Secret | undefined
  /** The identity provider of the user. */
  readonly origin: string | undefined
  readonly clientId: string | undefined
  readonly clientSecret: Secret | undefined
  readonly passcode: Secret | undefined
  /** The password, the client's secret or the passcode is on standard input. */
  readonly isSecretOnStdin: boolean
  /** Instead of the targeted ones, of whichever session. */
  readonly organization: string | undefined
  readonly space: string | undefined
}

export interface Settings {
  /** The data directory that the user chose; undefined for the usual one. */
  readonly dataDirectory: string | undefined
  /** The embedded registry's name in references, by the address that this run was given; undefined when none was, or a free port is still to be taken. */
  readonly embeddedRegistry: RegistryHost | undefined
  readonly issuer: string
  /** CIDRs; any network when empty. */
  readonly registryNetworks: readonly string[]
  /** A URL, or `local`; undefined where none was named for this run. */
  readonly collector: string | undefined
  readonly trustedHosts: readonly TrustedHost[]
  /** What each transfer with another machine must carry, either way. */
  readonly minimumRate: MinimumRate
  /** The mirror that damaged copies are healed from as well: a declared registry's name, or a URL. */
  readonly mirror: string | undefined
  readonly cloudFoundry: CloudFoundrySettings
}

/** @throws {HoldfastError} USAGE for an address that is none; CONFIGURATION for a trusted host in the environment without its registry, and for a rate that is none; INVALID_REFERENCE. */
export function readSettings(flags: SettingFlags, environment: Readonly<Record<string, string | undefined>>): Settings {
  const listen = flags.embeddedListen || environment.HOLDFAST_LISTEN || undefined
  return {
    dataDirectory: flags['data-dir'] || environment.HOLDFAST_DATA_DIR || undefined,
    embeddedRegistry: listen === undefined ? undefined : registryAt(parseListenAddress(listen)),
    issuer: flags.issuer || environment.HOLDFAST_ISSUER || DEFAULT_ISSUER,
    registryNetworks:
      flags['registry-network'] ?? (environment.HOLDFAST_REGISTRY_NETWORK?.split(',').filter((network) => network !== '') || []),
    collector: flags.collector || environment.HOLDFAST_COLLECTOR || undefined,
    mirror: environment.HOLDFAST_MIRROR || undefined,
    trustedHosts: readTrustedHosts(flags['trust-host'], environment.HOLDFAST_TRUST_HOST),
    minimumRate: readMinimumRate(flags['min-rate'], environment.HOLDFAST_MIN_RATE),
    cloudFoundry: readCloudFoundry(flags['cf-secret-stdin'], environment),
  }
}

function readCloudFoundry(isSecretOnStdin = false, environment: Readonly<Record<string, string | undefined>>): CloudFoundrySettings {
  const text = (name: string): string | undefined => environment[`HOLDFAST_CF_${name}`] || undefined
  const secret = (name: string): Secret | undefined => {
    const value = text(name)
    return value === undefined ? undefined : new Secret(value)
  }
  return {
    api: text('API'),
    username: text('USERNAME'),
    password: secret('PASSWORD'),
    origin: text('ORIGIN'),
    clientId: text('CLIENT_ID'),
    clientSecret: secret('CLIENT_SECRET'),
    passcode: secret('PASSCODE'),
    isSecretOnStdin,
    organization: text('ORG'),
    space: text('SPACE'),
  }
}

/** In kB/s; the variable holds for commands without the flag, too. */
function readMinimumRate(flag: number | undefined, variable = ''): MinimumRate {
  if (flag === undefined && variable === '') return MINIMUM_RATE
  const kilobytes = flag ?? (/^[0-9]{1,7}$/.test(variable) ? Number(variable) : Number.NaN)
  if (kilobytes <= MAX_MINIMUM_RATE) return {...MINIMUM_RATE, bytesPerSecond: kilobytes * KILOBYTE}
  throw new HoldfastError(
    'CONFIGURATION',
    `cannot use "HOLDFAST_MIN_RATE": "${excerpt(variable)}" is not a number of kB/s from 0 to ${MAX_MINIMUM_RATE}`,
    {
      hints: ['export HOLDFAST_MIN_RATE=1'],
    },
  )
}

function registryAt(listen: {readonly host: string; readonly port: number}): RegistryHost | undefined {
  return listen.port === 0 ? undefined : localRegistry(listen)
}

/** On the command line a host may stand alone, since the registry stands beside it. A variable holds for every command, so that it names the registry. */
function readTrustedHosts(flag: readonly string[] | undefined, variable = ''): readonly TrustedHost[] {
  const entries = variable.split(',').filter((entry) => entry !== '')
  const incomplete = entries.find((entry) => !entry.includes('='))
  if (incomplete !== undefined) {
    throw new HoldfastError('CONFIGURATION', `cannot use "HOLDFAST_TRUST_HOST": "${incomplete}" does not name the registry of the host`, {
      hints: [`export HOLDFAST_TRUST_HOST=registry.example.com=${incomplete}`],
    })
  }
  return [...new Set([...(flag ?? []), ...entries])].map(parseTrustedHost)
}

function parseTrustedHost(text: string): TrustedHost {
  const [, registry, host = ''] = /^(?:([^=]*)=)?(.*)$/s.exec(text) ?? []
  // Checked as a host, and kept as written: docker.io's other names are not one host here.
  parseRegistryHost(host)
  return {host: host.toLowerCase(), ...(registry === undefined ? {} : {registry: parseRegistryHost(registry)})}
}

/** How programs of this machine call a registry that listens there; one that listens on every address is on loopback too. */
export function localRegistry({host, port}: {readonly host: string; readonly port: number}): RegistryHost {
  const address = EVERY_ADDRESS.get(host) ?? host
  return parseRegistryHost(`${address.includes(':') ? `[${address}]` : address}:${port}`)
}
