/** How clients are told of a mirror, each in its own form: a file name and a text. */
import {assertPlain} from './plain.ts'

export interface MirrorClientsValues {
  /** `https://mirror.example.com:5000` */
  readonly url: string
  /** Registries that it mirrors: `docker.io`, `ghcr.io`. */
  readonly upstreams: readonly string[]
}

/** Where docker.io's API really is, which who asks it has to be told. */
const API_HOSTS: Readonly<Record<string, string>> = {'docker.io': 'registry-1.docker.io'}

/** Where the API of a registry is. */
export function apiUrlOf(upstream: string): string {
  return `https://${API_HOSTS[upstream] ?? upstream}`
}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderMirrorClients({url, upstreams}: MirrorClientsValues): ReadonlyMap<string, string> {
  for (const text of [url, ...upstreams]) assertPlain('a value', text)
  const {host, protocol} = new URL(url)
  const isPlain = protocol === 'http:'
  return new Map([
    ...(upstreams.includes('docker.io')
      ? [
          [
            'clients/docker/daemon.json',
            `${JSON.stringify({'registry-mirrors': [url], ...(isPlain ? {'insecure-registries': [host]} : {})}, undefined, 2)}\n`,
          ] as const,
        ]
      : []),
    ...upstreams.map(
      (upstream) =>
        [
          `clients/containerd/certs.d/${upstream}/hosts.toml`,
          `server = "${apiUrlOf(upstream)}"\n\n[host."${url}"]\n  capabilities = ["pull", "resolve"]\n`,
        ] as const,
    ),
    [
      'clients/podman/registries.conf',
      upstreams
        .map(
          (upstream) =>
            `[[registry]]\nlocation = "${upstream}"\n\n[[registry.mirror]]\nlocation = "${host}"\n${isPlain ? 'insecure = true\n' : ''}`,
        )
        .join('\n'),
    ],
    [
      'clients/buildkit/buildkitd.toml',
      upstreams.map((upstream) => `[registry."${upstream}"]\n  mirrors = ["${host}"]\n`).join('\n') +
        (isPlain ? `\n[registry."${host}"]\n  http = true\n` : ''),
    ],
    ['clients/k3s/registries.yaml', `mirrors:\n${upstreams.map((upstream) => `  "${upstream}":\n    endpoint: ["${url}"]\n`).join('')}`],
    [
      'clients/concourse/resource.yaml',
      `# for a registry-image resource; the docker-image resource takes the URL itself\nsource:\n  registry_mirror:\n    host: ${host}\n`,
    ],
  ])
}
