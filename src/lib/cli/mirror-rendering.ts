/** The files of a protected mirror, for whatever runs it. */
import {HoldfastError} from '../core/errors.ts'
import type {RenderedUpstream} from '../rendering/mirror-clients.ts'
import type {CloudFoundryMirror} from '../rendering/mirror-cloud-foundry.ts'
import type {MirrorContainers} from '../rendering/mirror-containers.ts'
import type {MirrorNginxValues} from '../rendering/mirror-nginx.ts'
import {CLOUD_FOUNDRY_IMAGE, type MirrorPlan} from './mirror-plan.ts'
import {parseApplications, parseMirrorUrl, parsePinnedImage, parseUpstream} from './mirror-values.ts'
import {assertPortsDiffer, type Door, nginxDoor} from './nginx-door.ts'
import {parseReplicas} from './registry-rendering.ts'

const REGISTRY_PORT = 5000

/** By name, below one directory. @throws {HoldfastError} USAGE, CONFIGURATION for what cannot be written safely. */
export async function renderMirror(plan: MirrorPlan): Promise<ReadonlyMap<string, string>> {
  const {renderMirrorClients} = await import('../rendering/mirror-clients.ts')
  const url = parseMirrorUrl(plan.url)
  const upstreams = parseUpstreams(plan)
  const unnamed = upstreams.length === 1 ? upstreams[0]?.host : unnamedUpstream(plan)
  const clients = renderMirrorClients({url, upstreams, unnamed})
  const files = await (plan.target === 'cf'
    ? cloudFoundryFiles(plan)
    : plan.target === 'systemd'
      ? systemdFiles(plan, new URL(url))
      : containerFiles(plan, new URL(url)))
  return new Map([...files, ...clients])
}

function parseUpstreams(plan: MirrorPlan): readonly RenderedUpstream[] {
  const upstreams = plan.upstream.map(parseUpstream)
  const twice = upstreams.find(({host}, index) => upstreams.findIndex((other) => other.host === host) < index)
  if (twice === undefined) return upstreams
  throw new HoldfastError('USAGE', `cannot render: the upstream "${twice.host}" is named twice`, {
    hints: [`--upstream ${[...new Set(upstreams.map(({host}) => host))].join(',')}`],
  })
}

/** The host of the upstream that a plan names for requests without one. @throws {HoldfastError} USAGE for one that is not an upstream. */
function unnamedUpstream({unnamed, upstream}: MirrorPlan): string | undefined {
  if (unnamed === undefined) return undefined
  const {host} = parseUpstream(unnamed)
  if (upstream.some((one) => parseUpstream(one).host === host)) return host
  throw new HoldfastError('USAGE', `cannot render: --unnamed "${host}" is not an upstream of this mirror`, {
    hints: upstream.map((one) => `--unnamed ${one}`),
  })
}

function mirrorDoor(plan: MirrorPlan, url: URL): Door {
  return nginxDoor(plan, {
    url,
    isBehindProxy: plan['trusted-proxy'].length > 0,
    proxyHint: '--trusted-proxy 10.0.0.7  # the proxy before nginx that has the certificate',
  })
}

/** Returns where the mirrors of a plan listen on their machine: `host:port`; those in containers are reached by nginx alone. @throws {HoldfastError} USAGE */
export function mirrorAddresses(plan: MirrorPlan): readonly string[] {
  return plan.target === 'systemd' ? parseReplicas(plan.listen, plan.store === undefined ? 1 : plan.instances) : []
}

async function systemdFiles(plan: MirrorPlan, url: URL): Promise<ReadonlyMap<string, string>> {
  const [{renderMirrorNginx}, {renderSystemdUnit}] = await Promise.all([
    import('../rendering/mirror-nginx.ts'),
    import('../rendering/mirror-services.ts'),
  ])
  const [first, ...others] = mirrorAddresses(plan)
  const listen = [first ?? plan.listen, ...others] as const
  const door = mirrorDoor(plan, url)
  assertPortsDiffer(door, listen)
  return new Map([
    ['nginx.conf', renderMirrorNginx({...door, ...nginxRules(plan, url, listen)})],
    [
      others.length === 0 ? 'holdfast-mirror.service' : 'holdfast-mirror@.service',
      renderSystemdUnit({
        listen,
        upstreams: plan.upstream,
        unnamed: unnamedUpstream(plan),
        store: plan.store,
        dataDirectory: plan.storage,
        proxyNetworks: plan['proxy-address'],
      }),
    ],
  ])
}

function nginxRules(
  plan: MirrorPlan,
  url: URL,
  mirrors: readonly string[],
): Pick<MirrorNginxValues, 'applications' | 'allow' | 'trustedProxies'> {
  return {
    applications: [{serverName: url.hostname, addresses: mirrors}, ...parseApplications(plan.application)],
    allow: plan.allow,
    trustedProxies: plan['trusted-proxy'],
  }
}

async function containerFiles(plan: MirrorPlan, url: URL): Promise<ReadonlyMap<string, string>> {
  const [{renderContainerNginx}, {renderCompose, COMPOSE_TLS}, {renderKubernetes, KUBERNETES_TLS}, {MIRROR_PORT, nginxPort}] =
    await Promise.all([
      import('../rendering/mirror-nginx.ts'),
      import('../rendering/mirror-compose.ts'),
      import('../rendering/mirror-kubernetes.ts'),
      import('../rendering/mirror-containers.ts'),
    ])
  const {tls, port, scheme} = mirrorDoor(plan, url)
  // As its service is called there.
  const service = plan.target === 'compose' ? 'mirror' : `${plan.name}-mirror`
  const inContainer = plan.target === 'compose' ? COMPOSE_TLS : KUBERNETES_TLS
  const nginx = renderContainerNginx({
    listen: `${nginxPort(tls)}${tls === undefined ? '' : ' ssl'}`,
    tls: tls === undefined ? undefined : inContainer,
    scheme,
    ...nginxRules(plan, url, [`${service}:${MIRROR_PORT}`]),
  })
  const values: MirrorContainers = {
    name: plan.name,
    image: parsePinnedImage('--image', plan.image, '--image registry.example.com/holdfast@sha256:DIGEST, built as docs/mirror.md shows'),
    proxyImage: parsePinnedImage('--proxy-image', plan['proxy-image'], 'holdfast inspect docker.io/library/nginx:1.28-alpine'),
    upstreams: plan.upstream,
    unnamed: unnamedUpstream(plan),
    store: plan.store,
    instances: plan.instances,
    port,
    tls,
    nginx,
  }
  const applications = parseApplications(plan.application).flatMap(({addresses}) => addresses)
  return plan.target === 'compose'
    ? new Map([
        ['compose.yaml', renderCompose(values)],
        ['nginx.conf', nginx],
      ])
    : new Map([['kubernetes.yaml', renderKubernetes(values, applications)]])
}

/** @throws {HoldfastError} USAGE for several upstreams, which docker-registry does not have. */
export function cloudFoundryMirror(plan: MirrorPlan): CloudFoundryMirror {
  const [upstream, ...others] = plan.upstream
  if (upstream === undefined || others.length > 0) {
    throw new HoldfastError('USAGE', 'cannot mirror several upstreams on Cloud Foundry with one mirror: its docker-registry has one', {
      hints: ['a directory and a name for each upstream'],
    })
  }
  return {
    name: plan.name,
    image: plan.image ?? CLOUD_FOUNDRY_IMAGE,
    upstream: parseUpstream(upstream),
    instances: plan.instances,
    memory: plan.memory,
    port: REGISTRY_PORT,
    internalDomain: plan['internal-domain'],
    allow: plan.allow,
    trustedProxies: plan['trusted-proxy'],
    service: {offering: plan.service, plan: plan['service-plan']},
  }
}

async function cloudFoundryFiles(plan: MirrorPlan): Promise<ReadonlyMap<string, string>> {
  const [
    {renderBuildpackNginx, renderMirrorManifest, renderProxyManifest},
    {DOUBLE_PULL_TEST, NO_PUSH_TEST, NOTIFY_SCRIPT, renderPipeline},
  ] = await Promise.all([import('../rendering/mirror-cloud-foundry.ts'), import('../rendering/mirror-pipeline.ts')])
  const mirror = cloudFoundryMirror(plan)
  return new Map([
    ['registry/manifest.yml', renderMirrorManifest(mirror)],
    ['proxy/manifest.yml', renderProxyManifest(mirror)],
    ['proxy/nginx/nginx.conf', renderBuildpackNginx(mirror)],
    ['pipeline.yml', renderPipeline({name: plan.name, testImage: plan['test-image']})],
    ['ci/test-no-push.mjs', NO_PUSH_TEST],
    ['ci/test-double-pull.mjs', DOUBLE_PULL_TEST],
    ['ci/notify.mjs', NOTIFY_SCRIPT],
  ])
}
