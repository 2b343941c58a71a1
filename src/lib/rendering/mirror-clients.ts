/** Configuration files that make clients use a mirror: a file name and a text for each. Each client names the registry in the way that it supports. */
import {assertPlain} from './plain.ts'

/** A registry that a mirror has, as clients and the mirror call it. */
export interface RenderedUpstream {
  /** As references name it: `docker.io`, `localhost:5000`. */
  readonly host: string
  /** The same as a part of a path: `localhost_5000`. */
  readonly path: string
  /** Where its API is: `https://registry-1.docker.io`. */
  readonly apiUrl: string
}

export interface MirrorClientsValues {
  /** `https://mirror.example.com:5000` */
  readonly url: string
  readonly upstreams: readonly RenderedUpstream[]
  /** The host of the upstream that requests without a registry are about; undefined where the mirror does not have one. */
  readonly unnamed: string | undefined
}

/** The registry of clients that can name none. */
const DOCKER_HUB = 'docker.io'
/** Where docker.io's API really is, which clients that ask it directly have to be told. */
const API_HOSTS: Readonly<Record<string, string>> = {[DOCKER_HUB]: 'registry-1.docker.io'}

/** Returns where the API of a registry is. */
export function apiUrlOf(host: string, scheme: 'http' | 'https' = 'https'): string {
  return `${scheme}://${API_HOSTS[host] ?? host}`
}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderMirrorClients({url, upstreams, unnamed}: MirrorClientsValues): ReadonlyMap<string, string> {
  for (const text of [url, ...upstreams.flatMap(({host, path, apiUrl}) => [host, path, apiUrl])]) assertPlain('a value', text)
  const {host, protocol} = new URL(url)
  const isPlain = protocol === 'http:'
  return new Map([
    ...(unnamed === DOCKER_HUB ? namelessClients(url, host, isPlain) : []),
    ...containerdClients(url, upstreams),
    ['clients/podman/registries.conf', registriesConf(host, isPlain, upstreams)],
    ['clients/buildkit/buildkitd.toml', buildkitConfig(host, isPlain, upstreams)],
    [
      'clients/k3s/registries.yaml',
      `# /etc/rancher/k3s/registries.yaml; k3s names the registry by ns=
mirrors:
${upstreams.map((upstream) => `  "${upstream.host}":\n    endpoint: ["${url}"]\n`).join('')}`,
    ],
  ])
}

/** dockerd and Concourse mirror Docker Hub alone, and name it neither by ns= nor by a path. */
function namelessClients(url: string, host: string, isPlain: boolean): readonly (readonly [string, string])[] {
  const daemon = {'registry-mirrors': [url], ...(isPlain ? {'insecure-registries': [host]} : {})}
  return [
    ['clients/docker/daemon.json', `${JSON.stringify(daemon, undefined, 2)}\n`],
    [
      'clients/concourse/resource.yaml',
      `# for a registry-image resource; the docker-image resource takes the URL itself\nsource:\n  registry_mirror:\n    host: ${host}\n`,
    ],
  ]
}

/** containerd names the registry by ns=. It reads the folder only if its own configuration says so, in a table that versions 2 and 3 of it keep in different places. */
function containerdClients(url: string, upstreams: readonly RenderedUpstream[]): readonly (readonly [string, string])[] {
  const config = (version: number, plugin: string): string =>
    `# For /etc/containerd/config.toml of version ${version}. Without it the folder is not read, and pulls go around the mirror.
# "containerd config dump" shows what is in force.
version = ${version}

[plugins."${plugin}".registry]
  config_path = "/etc/containerd/certs.d"
`
  return [
    ['clients/containerd/config-v2.toml', config(2, 'io.containerd.grpc.v1.cri')],
    ['clients/containerd/config-v3.toml', config(3, 'io.containerd.cri.v1.images')],
    ...upstreams.map(
      (upstream) =>
        [
          `clients/containerd/certs.d/${upstream.host}/hosts.toml`,
          `server = "${upstream.apiUrl}"\n\n[host."${url}"]\n  capabilities = ["pull", "resolve"]\n`,
        ] as const,
    ),
  ]
}

/** Plain HTTP, to podman and its like. */
const INSECURE = 'insecure = true'

/** podman, skopeo and CRI-O name the registry by the first part of the path. */
function registriesConf(host: string, isPlain: boolean, upstreams: readonly RenderedUpstream[]): string {
  const registries = upstreams.map(({host: upstream, path, apiUrl}) =>
    [
      ...['[[registry]]', `location = "${upstream}"`, ...(apiUrl.startsWith('http:') ? [INSECURE] : []), ''],
      ...['[[registry.mirror]]', `location = "${host}/${path}"`, ...(isPlain ? [INSECURE] : []), ''],
    ].join('\n'),
  )
  return ['# /etc/containers/registries.conf.d/holdfast.conf: podman, buildah, skopeo and CRI-O read it\n', ...registries].join('\n')
}

function buildkitConfig(host: string, isPlain: boolean, upstreams: readonly RenderedUpstream[]): string {
  const registries = upstreams.map((upstream) => `[registry."${upstream.host}"]\n  mirrors = ["${host}/${upstream.path}"]\n`)
  return [...registries, ...(isPlain ? [`[registry."${host}"]\n  http = true\n`] : [])].join('\n')
}
