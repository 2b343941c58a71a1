/** A protected mirror under docker compose: nginx alone is published, and the mirror is reached by nginx alone. */
import {stringify} from 'yaml'
import {
  assertContainers,
  DATA_DIRECTORY,
  MIRROR_PROGRAM,
  type MirrorContainers,
  mirrorArguments,
  NGINX_CONFIGURATION,
  NGINX_PROGRAM,
  nginxPort,
  STOP_GRACE_SECONDS,
} from './mirror-containers.ts'
import {NGINX_SCRATCH} from './mirror-nginx.ts'

/** Of the network between the two; nothing else is in it. */
const SUBNET = '172.31.250.0/24'
/** `docker compose exec mirror holdfast mirror status --mirror http://127.0.0.1:5000` comes from there. */
const ITSELF = '127.0.0.1'

/** Where compose mounts the certificate and the key of nginx. */
export const COMPOSE_TLS = {certificateFile: '/run/secrets/tls.crt', keyFile: '/run/secrets/tls.key'} as const

/** Neither needs a right of root, nor writes to its image. */
const CONFINED = {read_only: true, tmpfs: [NGINX_SCRATCH], security_opt: ['no-new-privileges:true']}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderCompose(values: Omit<MirrorContainers, 'nginx'>): string {
  assertContainers({...values, nginx: ''})
  const {name, image, proxyImage, store, instances, port, tls} = values
  return stringify({
    name,
    services: {
      mirror: {
        image,
        entrypoint: MIRROR_PROGRAM,
        command: mirrorArguments(values, [SUBNET], [ITSELF]),
        // Credentials of upstreams, where they want them: HOLDFAST_AUTH_<HOST>_USERNAME and …_PASSWORD.
        env_file: [{path: 'mirror.env', required: false}],
        environment: {HOME: NGINX_SCRATCH},
        restart: 'unless-stopped',
        stop_grace_period: `${STOP_GRACE_SECONDS}s`,
        ...CONFINED,
        cap_drop: ['ALL'],
        // On the way out, and between it and nginx; no port is published.
        networks: ['inside', 'outside'],
        ...(store === undefined
          ? {volumes: [`mirror:${DATA_DIRECTORY}`]}
          : {tmpfs: [NGINX_SCRATCH, DATA_DIRECTORY], deploy: {replicas: instances}}),
      },
      proxy: {
        image: proxyImage,
        entrypoint: NGINX_PROGRAM,
        // nginx ends running requests first; SIGTERM would break them off.
        stop_signal: 'SIGQUIT',
        stop_grace_period: `${STOP_GRACE_SECONDS}s`,
        ...CONFINED,
        volumes: [`./nginx.conf:${NGINX_CONFIGURATION}:ro`],
        ...(tls === undefined ? {} : {secrets: ['tls.crt', 'tls.key']}),
        ports: [`${port}:${nginxPort(tls)}`],
        restart: 'unless-stopped',
        networks: ['inside', 'front'],
        depends_on: ['mirror'],
      },
    },
    networks: {inside: {internal: true, ipam: {config: [{subnet: SUBNET}]}}, outside: {}, front: {}},
    ...(tls === undefined ? {} : {secrets: {'tls.crt': {file: tls.certificateFile}, 'tls.key': {file: tls.keyFile}}}),
    ...(store === undefined ? {volumes: {mirror: {}}} : {}),
  })
}
