/** The files of a protected mirror, for whatever runs it. */
import {HoldfastError} from '../core/errors.ts'
import type {CloudFoundryMirror} from '../rendering/mirror-cloud-foundry.ts'
import {CLOUD_FOUNDRY_IMAGE, type MirrorPlan} from './mirror-plan.ts'
import {parseApplications, parseMirrorUrl, parsePinnedImage} from './mirror-values.ts'
import {nginxDoor} from './nginx-door.ts'
import {parseReplicas} from './registry-rendering.ts'

const REGISTRY_PORT = 5000
const HTTP_PORT = 80

/** By name, below one directory. @throws {HoldfastError} USAGE, CONFIGURATION for what cannot be written safely. */
export async function renderMirror(plan: MirrorPlan): Promise<ReadonlyMap<string, string>> {
  const {renderMirrorClients} = await import('../rendering/mirror-clients.ts')
  const url = parseMirrorUrl(plan.url)
  const clients = renderMirrorClients({url, upstreams: plan.upstream})
  const files = await (plan.target === 'cf'
    ? cloudFoundryFiles(plan)
    : plan.target === 'systemd'
      ? systemdFiles(plan, url)
      : containerFiles(plan, url))
  return new Map([...files, ...clients])
}

async function systemdFiles(plan: MirrorPlan, url: string): Promise<ReadonlyMap<string, string>> {
  const [{renderMirrorNginx}, {renderSystemdUnit}] = await Promise.all([
    import('../rendering/mirror-nginx.ts'),
    import('../rendering/mirror-services.ts'),
  ])
  const [first, ...others] = parseReplicas(plan.listen, plan.store === undefined ? 1 : plan.instances)
  const listen = [first ?? plan.listen, ...others] as const
  return new Map([
    [
      'nginx.conf',
      renderMirrorNginx({
        ...nginxDoor(plan),
        applications: [{serverName: new URL(url).hostname, addresses: listen}, ...parseApplications(plan.application)],
        allow: plan.allow,
        trustedProxies: plan['trusted-proxy'],
      }),
    ],
    [
      others.length === 0 ? 'holdfast-mirror.service' : 'holdfast-mirror@.service',
      renderSystemdUnit({
        listen,
        upstreams: plan.upstream,
        store: plan.store,
        dataDirectory: plan.storage,
        proxyNetworks: plan['proxy-address'],
      }),
    ],
  ])
}

async function containerFiles(plan: MirrorPlan, url: string): Promise<ReadonlyMap<string, string>> {
  const [{renderMirrorNginx}, {renderCompose, renderKubernetes, MIRROR_PORT, NGINX_PORT}] = await Promise.all([
    import('../rendering/mirror-nginx.ts'),
    import('../rendering/mirror-compose.ts'),
  ])
  // As its service is called there.
  const service = plan.target === 'compose' ? 'mirror' : `${plan.name}-mirror`
  const nginx = renderMirrorNginx({
    listen: String(NGINX_PORT),
    applications: [{serverName: new URL(url).hostname, addresses: [`${service}:${MIRROR_PORT}`]}, ...parseApplications(plan.application)],
    allow: plan.allow,
    trustedProxies: plan['trusted-proxy'],
  })
  const values = {
    name: plan.name,
    image: parsePinnedImage('--image', plan.image, '--image registry.example.com/holdfast@sha256:DIGEST, built as docs/mirror.md shows'),
    proxyImage: parsePinnedImage('--proxy-image', plan['proxy-image'], 'holdfast inspect docker.io/library/nginx:1.28-alpine'),
    upstreams: plan.upstream,
    store: plan.store,
    instances: plan.instances,
    port: Number(new URL(url).port || HTTP_PORT),
  }
  return plan.target === 'compose'
    ? new Map([
        ['compose.yaml', renderCompose(values)],
        ['nginx.conf', nginx],
      ])
    : new Map([['kubernetes.yaml', renderKubernetes({...values, nginx})]])
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
    upstream,
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
