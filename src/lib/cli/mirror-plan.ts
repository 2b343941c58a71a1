/** What a protected mirror is to be: the flags of `mirror render`, or `mirror.yml`, whose keys are the same. */
import {join} from 'node:path'
import * as Flags from '@oclif/core/flags'
import {HoldfastError} from '../core/errors.ts'
import {readRegularFile, unreadableFile} from '../core/regular-file.ts'
import {shellCommand} from '../core/shell.ts'
import {MAX_YAML_BYTES, parseYaml} from './yaml-document.ts'

export const MIRROR_TARGETS = ['systemd', 'compose', 'kubernetes', 'cf'] as const
type MirrorTarget = (typeof MIRROR_TARGETS)[number]

export const PLAN_FILE = 'mirror.yml'

export interface MirrorPlan {
  readonly target: MirrorTarget
  readonly name: string
  readonly url: string
  readonly 'staging-url'?: string | undefined
  readonly upstream: readonly string[]
  readonly unnamed?: string | undefined
  readonly allow: readonly string[]
  readonly 'trusted-proxy': readonly string[]
  readonly application: readonly string[]
  readonly store?: string | undefined
  readonly instances: number
  readonly listen: string
  readonly 'proxy-address': readonly string[]
  readonly 'nginx-listen'?: string | undefined
  readonly 'tls-cert'?: string | undefined
  readonly 'tls-key'?: string | undefined
  readonly storage: string
  /** What the mirror's container runs. */
  readonly image?: string | undefined
  readonly 'proxy-image'?: string | undefined
  readonly memory: string
  readonly 'internal-domain': string
  readonly service: string
  readonly 'service-plan': string
  readonly 'test-image': string
}

/** What a plan for a target says, in the order in which people read it. */
const COMMON = ['target', 'name', 'url', 'upstream', 'allow', 'trusted-proxy'] as const
const CONTAINERS = ['unnamed', 'tls-cert', 'tls-key', 'image', 'proxy-image', 'application', 'store', 'instances'] as const
const KEYS: Readonly<Record<MirrorTarget, readonly (keyof MirrorPlan)[]>> = {
  systemd: [
    ...COMMON,
    ...['unnamed', 'tls-cert', 'tls-key', 'application', 'store', 'instances', 'listen', 'proxy-address', 'nginx-listen', 'storage'],
  ] as const,
  compose: [...COMMON, ...CONTAINERS],
  kubernetes: [...COMMON, ...CONTAINERS],
  cf: [...COMMON, 'staging-url', 'instances', 'image', 'memory', 'internal-domain', 'service', 'service-plan', 'test-image'],
}

const LISTS: readonly string[] = ['upstream', 'allow', 'trusted-proxy', 'application', 'proxy-address']

const DEFAULTS = {
  target: 'systemd',
  name: 'docker-registry-mirror',
  'trusted-proxy': [],
  application: [],
  instances: 2,
  listen: '127.0.0.1:5000',
  'proxy-address': ['127.0.0.1'],
  storage: '/var/lib/holdfast',
  memory: '256M',
  'internal-domain': 'apps.internal',
  service: 's3',
  'service-plan': 'basic',
  'test-image': 'library/alpine',
} as const

/** What the mirror is on Cloud Foundry; "mirror deploy" pins it by digest. */
export const CLOUD_FOUNDRY_IMAGE = 'registry:2.8.3'

const several = {multiple: true, multipleNonGreedy: true, delimiter: ','} as const

export const PLAN_FLAGS = {
  target: Flags.option({
    env: 'HOLDFAST_TARGET',
    options: MIRROR_TARGETS,
    summary: 'What runs it: systemd, compose, kubernetes or cf (Cloud Foundry). Default: systemd.',
  })(),
  name: Flags.string({env: 'HOLDFAST_NAME', helpValue: 'NAME', summary: 'What it is called there. Default: docker-registry-mirror.'}),
  url: Flags.string({env: 'HOLDFAST_URL', helpValue: 'URL', summary: 'How clients reach the mirror: https://host[:port].'}),
  'staging-url': Flags.string({
    env: 'HOLDFAST_STAGING_URL',
    helpValue: 'URL',
    summary: 'On Cloud Foundry: the same of what is tried first.',
  }),
  upstream: Flags.string({...several, env: 'HOLDFAST_UPSTREAM', helpValue: 'HOST', summary: 'What it mirrors. Repeatable.'}),
  unnamed: Flags.string({
    env: 'HOLDFAST_UNNAMED',
    helpValue: 'HOST',
    summary:
      'Upstream of requests that name no registry, as those of dockerd and Concourse. Default: the only upstream; 404 where there are several.',
  }),
  allow: Flags.string({
    ...several,
    env: 'HOLDFAST_ALLOW',
    helpValue: 'CIDR',
    summary: 'Networks of clients; all others get 403. Repeatable.',
  }),
  'trusted-proxy': Flags.string({
    ...several,
    env: 'HOLDFAST_TRUSTED_PROXY',
    helpValue: 'CIDR',
    summary: 'A proxy before nginx, whose X-Forwarded-For is believed; never everybody. Repeatable.',
  }),
  application: Flags.string({
    multiple: true,
    multipleNonGreedy: true,
    env: 'HOLDFAST_APPLICATION',
    helpValue: 'NAME=HOST:PORT',
    summary: 'Another application behind the same nginx. Repeatable.',
  }),
  store: Flags.string({
    env: 'HOLDFAST_STORE',
    helpValue: 'REGISTRY[/PREFIX]',
    summary: 'The registry that keeps what the mirror has; then there may be several. Default: the disk of each.',
  }),
  instances: Flags.integer({
    env: 'HOLDFAST_INSTANCES',
    min: 1,
    max: 100,
    helpValue: 'N',
    summary: 'How many of each; mirrors only with --store, on ports one after the other. Default: 2.',
  }),
  listen: Flags.string({env: 'HOLDFAST_LISTEN', helpValue: 'HOST:PORT', summary: 'Where the mirror listens. Default: 127.0.0.1:5000.'}),
  'proxy-address': Flags.string({
    ...several,
    env: 'HOLDFAST_PROXY_ADDRESS',
    helpValue: 'CIDR',
    summary: 'Where nginx comes from, as the mirror sees it: nobody else is answered there. Default: 127.0.0.1. Repeatable.',
  }),
  'nginx-listen': Flags.string({
    env: 'HOLDFAST_NGINX_LISTEN',
    helpValue: '[ADDRESS:]PORT',
    summary:
      'Port or address of nginx; TLS with --tls-cert. Default: the port of --url; behind a trusted proxy 443 with a certificate, else 80.',
  }),
  'tls-cert': Flags.string({
    env: 'HOLDFAST_TLS_CERT',
    helpValue: 'FILE',
    dependsOn: ['tls-key'],
    summary: 'Certificate of nginx, PEM: needed for an https URL, unless a trusted proxy has one.',
  }),
  'tls-key': Flags.string({env: 'HOLDFAST_TLS_KEY', helpValue: 'FILE', dependsOn: ['tls-cert'], summary: 'Its private key.'}),
  storage: Flags.string({
    env: 'HOLDFAST_STORAGE',
    helpValue: 'DIR',
    summary: 'The data directory of the mirror. Default: /var/lib/holdfast.',
  }),
  image: Flags.string({
    env: 'HOLDFAST_IMAGE',
    helpValue: 'IMAGE',
    summary:
      'Image that the mirror runs. With compose and kubernetes: one that has holdfast, pinned by digest (NAME@sha256:…); required. On Cloud Foundry: docker-registry. Default there: registry:2.8.3.',
  }),
  'proxy-image': Flags.string({
    env: 'HOLDFAST_PROXY_IMAGE',
    helpValue: 'IMAGE',
    summary: 'With compose and kubernetes: image of nginx, pinned by digest (NAME@sha256:…); required.',
  }),
  memory: Flags.string({env: 'HOLDFAST_MEMORY', helpValue: 'SIZE', summary: 'On Cloud Foundry: of each instance. Default: 256M.'}),
  'internal-domain': Flags.string({
    env: 'HOLDFAST_INTERNAL_DOMAIN',
    helpValue: 'NAME',
    summary: 'On Cloud Foundry: the domain that only apps reach. Default: apps.internal.',
  }),
  service: Flags.string({
    env: 'HOLDFAST_SERVICE',
    helpValue: 'NAME',
    summary: 'On Cloud Foundry: the service that makes buckets. Default: s3.',
  }),
  'service-plan': Flags.string({env: 'HOLDFAST_SERVICE_PLAN', helpValue: 'NAME', summary: 'Its plan. Default: basic.'}),
  'test-image': Flags.string({
    env: 'HOLDFAST_TEST_IMAGE',
    helpValue: 'REPOSITORY[:TAG]',
    summary: 'What the pipeline pulls to test. Default: library/alpine.',
  }),
}

type PlanValues = Readonly<Record<string, unknown>>

/** What was given of a plan, without flags that are none of it. */
export function givenOf(flags: PlanValues): PlanValues {
  return Object.fromEntries(Object.entries(flags).filter(([name, value]) => name in PLAN_FLAGS && value !== undefined))
}

/** @throws {HoldfastError} USAGE for what is missing or has not its shape. */
export function completePlan(values: PlanValues, from: string): MirrorPlan {
  const plan: Record<string, unknown> = {...DEFAULTS, ...(values.target === 'cf' ? {image: CLOUD_FOUNDRY_IMAGE} : {}), ...values}
  const wrong = (reason: string): HoldfastError =>
    new HoldfastError('USAGE', `cannot use ${from}: ${reason}`, {hints: ['holdfast mirror init']})
  for (const [name, value] of Object.entries(plan)) {
    if (!(name in PLAN_FLAGS)) throw wrong(`there is no "${name.slice(0, 100)}"`)
    const isRight = LISTS.includes(name)
      ? Array.isArray(value) && value.every((one) => typeof one === 'string')
      : name === 'instances'
        ? Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 100
        : typeof value === 'string'
    if (!isRight)
      throw wrong(`"${name}" is no ${LISTS.includes(name) ? 'list of texts' : name === 'instances' ? 'number from 1 to 100' : 'text'}`)
  }
  for (const name of ['url', 'upstream', 'allow']) {
    const value = plan[name]
    if (value === undefined || (Array.isArray(value) && value.length === 0)) throw wrong(`"${name}" is missing`)
  }
  const target = MIRROR_TARGETS.find((one) => one === plan.target)
  if (target === undefined) throw wrong(`"target" is none of ${MIRROR_TARGETS.join(', ')}`)
  const unused = Object.keys(values).find((name) => !KEYS[target].some((key) => key === name))
  if (unused !== undefined) throw wrong(`"${unused}" says nothing to the target ${target}, which has ${KEYS[target].join(', ')}`)
  if ((plan['tls-cert'] === undefined) !== (plan['tls-key'] === undefined)) throw wrong('"tls-cert" and "tls-key" go together')
  // Each was looked at.
  return plan as unknown as MirrorPlan
}

/** What is written of a plan: what its target uses. */
export function writtenPlan(plan: MirrorPlan): object {
  return Object.fromEntries(KEYS[plan.target].filter((name) => plan[name] !== undefined).map((name) => [name, plan[name]]))
}

/** @throws {HoldfastError} CONFIGURATION when there is none; USAGE when it cannot be used. */
export async function readPlan(directory: string, signal: AbortSignal): Promise<MirrorPlan> {
  const file = join(directory, PLAN_FILE)
  let text: string
  try {
    text = (await readRegularFile(file, {maxBytes: MAX_YAML_BYTES, signal})).toString('utf8')
  } catch (cause) {
    throw unreadableFile(file, cause, [shellCommand`holdfast mirror init --directory ${directory}`])
  }
  return completePlan(Object(await parseYaml(text, file)), `"${file}"`)
}
