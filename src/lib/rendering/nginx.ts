/** A server of nginx before a registry and its collector: one name for pulls, pushes, tokens and search. */
import {assertPlain} from './plain.ts'

export interface NginxValues {
  /** The registry's name at the collector. */
  readonly name: string
  readonly serverName: string
  /** `443 ssl`, or `127.0.0.1:8080` without TLS. */
  readonly listen: string
  readonly tls?: {readonly certificateFile: string; readonly keyFile: string} | undefined
  /** `host:port` */
  readonly registry: string
  readonly collector: string
  /** Networks that notifications come from. */
  readonly eventsFrom: readonly string[]
}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderNginx({name: registryName, serverName, listen, tls, registry, collector, eventsFrom}: NginxValues): string {
  const values = {
    registryName,
    serverName,
    listen,
    registry,
    collector,
    certificateFile: tls?.certificateFile ?? '-',
    keyFile: tls?.keyFile ?? '-',
  }
  for (const [name, value] of Object.entries(values)) assertPlain(name, value)
  for (const network of eventsFrom) assertPlain('eventsFrom', network)
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
    `upstream holdfast_registry { server ${registry}; keepalive 32; }`,
    `upstream holdfast_collector { server ${collector}; keepalive 32; }`,
    '',
    'server {',
    `    listen ${listen};`,
    `    server_name ${serverName};`,
    ...tlsLines,
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
    '    proxy_set_header X-Forwarded-Proto $scheme;',
    '    # Tokens for many scopes are long.',
    '    large_client_header_buffers 8 32k;',
    '',
    '    # The registry would list every name; the collector lists what whoever asks may pull.',
    `    location = /v2/_catalog { proxy_pass http://holdfast_collector/catalog/${registryName}; }`,
    '    location /v2/ { proxy_pass http://holdfast_registry; }',
    '',
    '    location = /token { proxy_pass http://holdfast_collector; }',
    '    location = /init/registry/token { proxy_pass http://holdfast_collector; }',
    '    location /v1/ { proxy_pass http://holdfast_collector; }',
    '    location /api/ { proxy_pass http://holdfast_collector; }',
    '    location = /openapi.json { proxy_pass http://holdfast_collector; }',
    '',
    '    location /events/ {',
    ...eventsFrom.map((network) => `        allow ${network};`),
    '        deny all;',
    '        proxy_pass http://holdfast_collector;',
    '    }',
    '}',
    '',
  ].join('\n')
}

function quote(text: string): string {
  return `"${text}"`
}
