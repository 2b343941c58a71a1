/**
 * A protected mirror on Cloud Foundry: docker-registry as a pull-through cache over S3 on an internal route, and nginx before it on a public one. Manifests as `cf push` takes
 * them, with ((variables)) for what is secret or differs from space to space; files for the nginx buildpack, with its templates.
 */
import {stringify} from 'yaml'
import {HoldfastError} from '../core/errors.ts'
import {assertClientNetworks, type ClientNetworks} from './client-networks.ts'
import type {RenderedUpstream} from './mirror-clients.ts'
import {assertPlain} from './plain.ts'

export interface CloudFoundryMirror extends ClientNetworks {
  /** The mirror's app; the proxy's is the same with `-proxy`. */
  readonly name: string
  /** `registry:2.8.3`, or pinned by digest. */
  readonly image: string
  readonly upstream: RenderedUpstream
  readonly instances: number
  /** `256M` */
  readonly memory: string
  readonly port: number
  readonly internalDomain: string
  /** The plan of the object store's service. */
  readonly service: {readonly offering: string; readonly plan: string}
}

/** What the manifests leave open: `cf push --var NAME=VALUE`. */
export interface CloudFoundryVariables {
  readonly mirrorRoute: string
  readonly proxyRoute: string
  readonly accessKey: string
  readonly secretKey: string
  readonly bucket: string
  readonly region: string
  /** Empty for Amazon's. */
  readonly endpoint: string
}

/** How a variable is called in the manifests. */
const NAMES: Readonly<Record<keyof CloudFoundryVariables, string>> = {
  mirrorRoute: 'mirror-route',
  proxyRoute: 'proxy-route',
  accessKey: 's3-access-key',
  secretKey: 's3-secret-key',
  bucket: 's3-bucket',
  region: 's3-region',
  endpoint: 's3-endpoint',
}

/**
 * Diego ends an instance with SIGTERM and kills it ten seconds later. docker-registry breaks off what it serves unless it is told to drain; so does nginx, which drains on SIGQUIT
 * alone. The command is that of the buildpack's bin/release, with the signal translated.
 */
const DRAIN_TIMEOUT = '8s'
const PROXY_COMMAND = [
  'varify -buildpack-yml-path ./buildpack.yml ./nginx.conf $HOME/modules $DEP_DIR/nginx/modules &&',
  '{ nginx -p $PWD -c ./nginx.conf & nginx=$!; trap "kill -QUIT $nginx" TERM; wait $nginx; wait $nginx; }',
].join(' ')

/** The variable by which nginx knows the mirror: in the manifest of the proxy, and in its configuration. */
const ROUTE_VARIABLE = 'MIRROR_ROUTE'

export const proxyName = (mirror: string): string => `${mirror}-proxy`

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderMirrorManifest({name, image, upstream, instances, memory}: CloudFoundryMirror): string {
  for (const text of [name, image, upstream.apiUrl, memory]) assertPlain('a value', text)
  return stringify({
    applications: [
      {
        name,
        memory,
        instances,
        docker: {image},
        env: {
          REGISTRY_PROXY_REMOTEURL: upstream.apiUrl,
          REGISTRY_HTTP_DRAINTIMEOUT: DRAIN_TIMEOUT,
          REGISTRY_STORAGE: 's3',
          REGISTRY_STORAGE_S3_ACCESSKEY: variable('accessKey'),
          REGISTRY_STORAGE_S3_BUCKET: variable('bucket'),
          REGISTRY_STORAGE_S3_REGION: variable('region'),
          REGISTRY_STORAGE_S3_REGIONENDPOINT: variable('endpoint'),
          REGISTRY_STORAGE_S3_SECRETKEY: variable('secretKey'),
          REGISTRY_STORAGE_DELETE_ENABLED: 'true',
          // Layers go through the proxy and its rules, not around them.
          REGISTRY_STORAGE_REDIRECT_DISABLE: 'true',
        },
        routes: [{route: variable('mirrorRoute')}],
        'health-check-type': 'port',
      },
    ],
  })
}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderProxyManifest({name, instances, memory}: CloudFoundryMirror): string {
  for (const text of [name, memory]) assertPlain('a value', text)
  return stringify({
    applications: [
      {
        name: proxyName(name),
        memory,
        disk_quota: memory,
        instances,
        path: 'nginx',
        buildpacks: ['nginx_buildpack'],
        command: PROXY_COMMAND,
        env: {[ROUTE_VARIABLE]: variable('mirrorRoute')},
        routes: [{route: variable('proxyRoute')}],
      },
    ],
  })
}

/** `nginx.conf` of the nginx buildpack, which fills in port, name servers and the variable. @throws {HoldfastError} CONFIGURATION */
export function renderBuildpackNginx({port, allow, trustedProxies}: CloudFoundryMirror): string {
  assertClientNetworks({allow, trustedProxies})
  if (trustedProxies.length === 0) {
    // The last address of the chain would then be a router's or a load balancer's, which an allowed network may well hold: every client would be let in.
    throw new HoldfastError('CONFIGURATION', 'cannot write the configuration of nginx: no router of the platform is known', {
      hints: ['--trusted-proxy 10.0.16.0/24  # the network of the routers, and that of the load balancers before them'],
    })
  }
  return `worker_processes 1;
daemon off;
error_log stderr;
events { worker_connections 1024; }

http {
  log_format cloudfoundry 'NginxLog "$http_x_forwarded_for" "$request" $status $body_bytes_sent';
  access_log /dev/stdout cloudfoundry;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 30;
  port_in_redirect off;

  # Only these are believed about where a client comes from: the router of the platform, and what stands before it.
${['127.0.0.1', ...trustedProxies].map((network) => `  set_real_ip_from ${network};`).join('\n')}
  real_ip_header X-Forwarded-For;
  real_ip_recursive on;

  # The mirror's instances come and go: their addresses are good for a second.
  resolver {{nameservers}} ipv6=off valid=1s;

  server {
    listen {{port}};

${allow.map((network) => `    allow ${network};`).join('\n')}
    deny all;

    client_max_body_size 0;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_read_timeout 900s;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-Proto https;
    proxy_next_upstream error timeout http_502 http_503;

    location /v2/ {
      set $mirror {{env "${ROUTE_VARIABLE}"}};
      proxy_pass http://$mirror:${port};
    }
    location / { return 404; }
  }
}
`
}

/** Fills in what a manifest leaves open; each value is a text to YAML, whatever is in it. @throws {HoldfastError} CONFIGURATION for a variable that is not given. */
export function fillManifest(manifest: string, variables: Partial<CloudFoundryVariables>): string {
  const values = new Map<string, string>()
  for (const [key, name] of Object.entries(NAMES)) {
    const value: unknown = Reflect.get(variables, key)
    if (typeof value === 'string') values.set(name, value)
  }
  return manifest.replaceAll(/\(\(([a-z0-9-]+)\)\)/g, (_, name: string) => {
    const value = values.get(name)
    if (value === undefined) throw new HoldfastError('CONFIGURATION', `cannot fill in the manifest: nothing is known of ((${name}))`)
    return JSON.stringify(value)
  })
}

function variable(name: keyof CloudFoundryVariables): string {
  return `((${NAMES[name]}))`
}
