/** A server of nginx before the replicas of a registry, and before its collector where it has one: one name for pulls, pushes, tokens and search. */
import {assertPlain} from './plain.ts'

export interface NginxValues {
  /** The registry's name at the collector. */
  readonly name: string
  readonly serverName: string
  /** `443 ssl`, or `127.0.0.1:8080` without TLS. */
  readonly listen: string
  readonly tls?: {readonly certificateFile: string; readonly keyFile: string} | undefined
  /** What clients speak, where TLS may end at a proxy before nginx; absent where it is what reaches nginx. */
  readonly scheme?: 'http' | 'https' | undefined
  /** `host:port` of each replica. */
  readonly registries: readonly string[]
  readonly collector?:
    | {
        /** `host:port` of each replica. */
        readonly addresses: readonly string[]
        /** Networks that notifications come from. */
        readonly eventsFrom: readonly string[]
      }
    | undefined
  /** Networks of clients; all others get 403. Empty: all networks, because the collector controls access. */
  readonly allow: readonly string[]
}

/** A replica that did not answer a few times is left alone for so long: who restarts them one after the other waits longer between them, or nginx knows of none that lives. */
const FAIL_TIMEOUT = '1s'

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderNginx({name: registryName, serverName, listen, tls, scheme, registries, collector, allow}: NginxValues): string {
  const values = {
    registryName,
    serverName,
    listen,
    certificateFile: tls?.certificateFile ?? '-',
    keyFile: tls?.keyFile ?? '-',
  }
  for (const [name, value] of Object.entries(values)) assertPlain(name, value)
  for (const text of [...registries, ...allow, ...(collector?.addresses ?? []), ...(collector?.eventsFrom ?? [])])
    assertPlain('an address', text)
  const tlsLines =
    tls === undefined
      ? []
      : [
          `    ssl_certificate ${quote(tls.certificateFile)};`,
          `    ssl_certificate_key ${quote(tls.keyFile)};`,
          '    ssl_protocols TLSv1.2 TLSv1.3;',
          '',
        ]
  return [
    '# Put into a folder that the http block of nginx includes.',
    ...upstreamLines('holdfast_registry', registries),
    ...(collector === undefined ? [] : upstreamLines('holdfast_collector', collector.addresses)),
    '',
    'server {',
    `    listen ${listen};`,
    `    server_name ${serverName};`,
    ...tlsLines,
    ...(allow.length === 0 ? [] : [...allow.map((network) => `    allow ${network};`), '    deny all;', '']),
    '    # Layers are as large as they are, and go on to the registry while they come.',
    '    client_max_body_size 0;',
    '    proxy_request_buffering off;',
    '    proxy_buffering off;',
    '    proxy_read_timeout 900s;',
    '    proxy_send_timeout 900s;',
    '    proxy_http_version 1.1;',
    '    proxy_set_header Connection "";',
    '    proxy_set_header Host $http_host;',
    '    # Set, not appended: what clients say of themselves is not believed.',
    '    proxy_set_header X-Forwarded-For $remote_addr;',
    `    proxy_set_header X-Forwarded-Proto ${scheme ?? '$scheme'};`,
    '    # What one replica does not answer another is asked for, unless that could do something twice.',
    '    proxy_next_upstream error timeout http_502 http_503 http_504;',
    `    proxy_next_upstream_tries ${Math.max(2, registries.length, collector?.addresses.length ?? 0)};`,
    '    proxy_connect_timeout 2s;',
    '    # Tokens for many scopes are long.',
    '    large_client_header_buffers 8 32k;',
    '',
    '    location /v2/ { proxy_pass http://holdfast_registry; }',
    ...(collector === undefined ? ['    location / { return 404; }'] : collectorLines(registryName, collector.eventsFrom)),
    '}',
    '',
  ].join('\n')
}

/** Servers that stand for one another. */
export function upstreamLines(name: string, addresses: readonly string[]): readonly string[] {
  const servers = addresses.map((address) => `    server ${address} max_fails=3 fail_timeout=${FAIL_TIMEOUT};`)
  return [`upstream ${name} {`, ...servers, '    keepalive 32;', '}']
}

function collectorLines(registryName: string, eventsFrom: readonly string[]): readonly string[] {
  return [
    '    # The registry would list every name; the collector lists what the account may pull, and sends its own sweeps to the registry.',
    `    location = /v2/_catalog { proxy_pass http://holdfast_collector/catalog/${registryName}; }`,
    '    location = /registry-catalog { internal; proxy_pass http://holdfast_registry/v2/_catalog; }',
    '',
    '    # Asked for twice, a token is given twice: no harm in that.',
    '    location = /token {',
    '        proxy_next_upstream error timeout http_502 http_503 http_504 non_idempotent;',
    '        proxy_pass http://holdfast_collector;',
    '    }',
    '    location = /init/registry/token { proxy_pass http://holdfast_collector; }',
    '    # A search of this registry, whatever else the collector knows.',
    `    location = /v1/search { proxy_pass http://holdfast_collector/search/${registryName}; }`,
    '    location /v1/ { proxy_pass http://holdfast_collector; }',
    '    location /api/ { proxy_pass http://holdfast_collector; }',
    '    location = /openapi.json { proxy_pass http://holdfast_collector; }',
    '',
    '    location /events/ {',
    ...eventsFrom.map((network) => `        allow ${network};`),
    '        deny all;',
    '        proxy_pass http://holdfast_collector;',
    '    }',
  ]
}

function quote(text: string): string {
  return `"${text}"`
}
