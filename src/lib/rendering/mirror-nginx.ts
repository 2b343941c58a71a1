/**
 * nginx before a protected mirror: who is allowed is answered, all others get 403. Where another proxy stands before it, only that one is believed about where a client
 * comes from; trusting every forwarder would let anybody name an address that is allowed.
 */
import {assertClientNetworks, type ClientNetworks} from './client-networks.ts'
import {upstreamLines} from './nginx.ts'
import {assertPlain} from './plain.ts'

export interface MirrorNginxValues extends ClientNetworks {
  /** `443 ssl`, or `127.0.0.1:8080` without TLS. */
  readonly listen: string
  readonly tls?: {readonly certificateFile: string; readonly keyFile: string} | undefined
  /** What clients speak, where TLS may end at a proxy before nginx; absent where it is what reaches nginx. */
  readonly scheme?: 'http' | 'https' | undefined
  /** Names under which clients come, each with the mirror or application behind it. */
  readonly applications: readonly {readonly serverName: string; readonly addresses: readonly string[]}[]
}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely, nobody is allowed, or every forwarder would be believed. */
export function renderMirrorNginx({listen, tls, scheme, applications, allow, trustedProxies}: MirrorNginxValues): string {
  assertPlain('listen', listen)
  if (tls !== undefined) for (const file of [tls.certificateFile, tls.keyFile]) assertPlain('a certificate', file)
  assertClientNetworks({allow, trustedProxies})
  for (const {serverName, addresses} of applications) for (const text of [serverName, ...addresses]) assertPlain('an application', text)
  return [
    '# Put into a folder that the http block of nginx includes.',
    ...applications.flatMap((application, index) => [
      ...upstreamLines(`holdfast_application_${index}`, application.addresses),
      '',
      'server {',
      `    listen ${listen};`,
      `    server_name ${application.serverName};`,
      ...(tls === undefined
        ? []
        : [
            `    ssl_certificate "${tls.certificateFile}";`,
            `    ssl_certificate_key "${tls.keyFile}";`,
            '    ssl_protocols TLSv1.2 TLSv1.3;',
          ]),
      '',
      ...(trustedProxies.length === 0
        ? []
        : [
            '    # Only these are believed about where a client comes from, and of a list of addresses the last that is none of them counts.',
            ...trustedProxies.map((network) => `    set_real_ip_from ${network};`),
            '    real_ip_header X-Forwarded-For;',
            '    real_ip_recursive on;',
          ]),
      ...allow.map((network) => `    allow ${network};`),
      '    deny all;',
      '',
      '    # Layers are as large as they are, and go on to the client while they come; no client is sent elsewhere for them.',
      '    client_max_body_size 0;',
      '    proxy_request_buffering off;',
      '    proxy_buffering off;',
      '    proxy_read_timeout 900s;',
      '    proxy_http_version 1.1;',
      '    # A status concerns one image and is not a failure of the mirror: other mirrors would answer the same, and after a few nginx would stop using all of them.',
      '    proxy_next_upstream error timeout;',
      '    proxy_connect_timeout 2s;',
      '    proxy_set_header Connection "";',
      '    proxy_set_header Host $http_host;',
      '    proxy_set_header X-Forwarded-For $remote_addr;',
      `    proxy_set_header X-Forwarded-Proto ${scheme ?? '$scheme'};`,
      '',
      `    location /v2/ { proxy_pass http://holdfast_application_${index}; }`,
      `    location = /healthz { proxy_pass http://holdfast_application_${index}; }`,
      '    location / { return 404; }',
      '}',
      '',
    ]),
  ].join('\n')
}

/** Where nginx may write in a container whose root is read-only. */
export const NGINX_SCRATCH = '/tmp'

/**
 * The same as the whole configuration of an nginx in a container: any user may start it, and it writes below `NGINX_SCRATCH` alone.
 * @throws {HoldfastError} CONFIGURATION as `renderMirrorNginx`.
 */
export function renderContainerNginx(values: MirrorNginxValues): string {
  const [, ...server] = renderMirrorNginx(values).split('\n')
  return [
    'worker_processes auto;',
    `pid ${NGINX_SCRATCH}/nginx.pid;`,
    'error_log stderr warn;',
    'events { worker_connections 4096; }',
    'http {',
    '    access_log /dev/stdout;',
    '    server_tokens off;',
    ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `    ${kind}_temp_path ${NGINX_SCRATCH}/${kind};`),
    '',
    ...server.map((line) => (line === '' ? line : `    ${line}`)),
    '}',
    '',
  ].join('\n')
}
