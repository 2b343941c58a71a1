/** A protected mirror under docker compose: nginx alone is published, and the mirror is reached by nginx alone. */
import {stringify} from 'yaml'
import {assertPlain} from './plain.ts'

/** An image that no one else can replace; a tag alone does not compile. */
export type PinnedImage = `${string}@sha256:${string}`

export interface MirrorContainers {
  readonly name: string
  /** Has `holdfast` in its PATH. */
  readonly image: PinnedImage
  /** nginx as its own image is made: configuration in /etc/nginx/conf.d. */
  readonly proxyImage: PinnedImage
  readonly upstreams: readonly string[]
  /** A registry that keeps what the mirror has, so that several mirrors share it; else each has a volume. */
  readonly store?: string | undefined
  readonly instances: number
  /** The port that nginx is published at. */
  readonly port: number
}

/** What runs in the mirror's container, whatever its image would start by itself. */
const PROGRAM = ['holdfast']
/** How long an instance goes on taking requests after it was told to end: until then others send it some. */
const DEREGISTRATION = {exec: {command: ['sleep', '5']}}
/** Running requests may end. */
const STOP_GRACE_SECONDS = 60
export const MIRROR_PORT = 5000
export const NGINX_PORT = 8080
/** Of the network between the two; nobody else is in it. */
const SUBNET = '172.31.250.0/24'

/** The arguments of the mirror's program; `from` is where nginx comes from. */
function argumentsOf({upstreams, store}: MirrorContainers, from: string): readonly string[] {
  return [
    ...['mirror', 'serve', '--listen', `0.0.0.0:${MIRROR_PORT}`, '--allow', from],
    ...upstreams.flatMap((upstream) => ['--upstream', upstream]),
    ...(store === undefined ? [] : ['--store', store]),
    ...['--data-dir', '/var/lib/holdfast'],
  ]
}

function check({name, image, proxyImage, upstreams, store}: MirrorContainers): void {
  for (const text of [name, image, proxyImage, ...upstreams, ...(store === undefined ? [] : [store])]) assertPlain('a value', text)
}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderCompose(values: MirrorContainers): string {
  check(values)
  const {name, image, proxyImage, store, instances, port} = values
  return stringify({
    name,
    services: {
      mirror: {
        image,
        entrypoint: PROGRAM,
        command: argumentsOf(values, SUBNET),
        // Credentials of upstreams, where they want them: HOLDFAST_AUTH_<HOST>_USERNAME and …_PASSWORD.
        env_file: [{path: 'mirror.env', required: false}],
        restart: 'unless-stopped',
        stop_grace_period: `${STOP_GRACE_SECONDS}s`,
        // On the way out, and between it and nginx; no port is published.
        networks: ['inside', 'outside'],
        ...(store === undefined ? {volumes: ['mirror:/var/lib/holdfast']} : {deploy: {replicas: instances}}),
      },
      proxy: {
        image: proxyImage,
        // nginx ends running requests first; SIGTERM would break them off.
        stop_signal: 'SIGQUIT',
        stop_grace_period: `${STOP_GRACE_SECONDS}s`,
        volumes: ['./nginx.conf:/etc/nginx/conf.d/default.conf:ro'],
        ports: [`${port}:${NGINX_PORT}`],
        restart: 'unless-stopped',
        networks: ['inside', 'front'],
        depends_on: ['mirror'],
      },
    },
    networks: {inside: {internal: true, ipam: {config: [{subnet: SUBNET}]}}, outside: {}, front: {}},
    ...(store === undefined ? {volumes: {mirror: {}}} : {}),
  })
}

/** Objects of Kubernetes, for `kubectl apply`. @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderKubernetes(values: MirrorContainers & {readonly nginx: string}): string {
  check(values)
  const {name, image, proxyImage, store, instances, nginx} = values
  const labels = (part: string): Readonly<Record<string, string>> => ({'app.kubernetes.io/name': name, 'app.kubernetes.io/component': part})
  const meta = (part: string): object => ({name: `${name}-${part}`, labels: labels(part)})
  const secure = {allowPrivilegeEscalation: false, capabilities: {drop: ['ALL']}, runAsNonRoot: true, runAsUser: 1000}
  const probe = (path: string, port: number): object => ({httpGet: {path, port}, periodSeconds: 5})
  const mirrorPod = {
    metadata: {labels: labels('mirror')},
    spec: {
      containers: [
        {
          name: 'mirror',
          image,
          // A pod's address is nobody's for long: who may come is what the NetworkPolicy says.
          command: PROGRAM,
          args: argumentsOf(values, '0.0.0.0/0'),
          env: [{name: 'HOME', value: '/tmp'}],
          // Credentials of upstreams, where they want them: HOLDFAST_AUTH_<HOST>_USERNAME and …_PASSWORD.
          envFrom: [{secretRef: {name: `${name}-credentials`, optional: true}}],
          ports: [{containerPort: MIRROR_PORT}],
          readinessProbe: probe('/readyz', MIRROR_PORT),
          lifecycle: {preStop: DEREGISTRATION},
          securityContext: secure,
          volumeMounts: [{name: 'data', mountPath: '/var/lib/holdfast'}],
        },
      ],
      securityContext: {fsGroup: 1000},
      terminationGracePeriodSeconds: STOP_GRACE_SECONDS,
      ...(store === undefined ? {} : {volumes: [{name: 'data', emptyDir: {}}]}),
    },
  }
  const selector = (part: string): object => ({matchLabels: labels(part)})
  const objects = [
    store === undefined
      ? {
          apiVersion: 'apps/v1',
          kind: 'StatefulSet',
          metadata: meta('mirror'),
          spec: {
            serviceName: `${name}-mirror`,
            replicas: 1,
            selector: selector('mirror'),
            template: mirrorPod,
            volumeClaimTemplates: [
              {metadata: {name: 'data'}, spec: {accessModes: ['ReadWriteOnce'], resources: {requests: {storage: '100Gi'}}}},
            ],
          },
        }
      : {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: meta('mirror'),
          spec: {
            replicas: instances,
            selector: selector('mirror'),
            strategy: {type: 'RollingUpdate', rollingUpdate: {maxUnavailable: 0, maxSurge: 1}},
            template: mirrorPod,
          },
        },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: meta('mirror'),
      spec: {selector: labels('mirror'), ports: [{port: MIRROR_PORT, targetPort: MIRROR_PORT}]},
    },
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: meta('mirror'),
      spec: {
        podSelector: selector('mirror'),
        policyTypes: ['Ingress'],
        ingress: [{from: [{podSelector: selector('proxy')}], ports: [{protocol: 'TCP', port: MIRROR_PORT}]}],
      },
    },
    {apiVersion: 'v1', kind: 'ConfigMap', metadata: meta('proxy'), data: {'default.conf': nginx}},
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: meta('proxy'),
      spec: {
        replicas: instances,
        selector: selector('proxy'),
        strategy: {type: 'RollingUpdate', rollingUpdate: {maxUnavailable: 0, maxSurge: 1}},
        template: {
          metadata: {labels: labels('proxy')},
          spec: {
            containers: [
              {
                name: 'nginx',
                image: proxyImage,
                ports: [{containerPort: NGINX_PORT}],
                readinessProbe: {tcpSocket: {port: NGINX_PORT}, periodSeconds: 5},
                // Running requests end first, whatever signal the image names.
                lifecycle: {
                  preStop: {exec: {command: ['/bin/sh', '-c', 'sleep 5; nginx -s quit; while pidof nginx >/dev/null; do sleep 1; done']}},
                },
                volumeMounts: [{name: 'configuration', mountPath: '/etc/nginx/conf.d'}],
              },
            ],
            terminationGracePeriodSeconds: STOP_GRACE_SECONDS,
            volumes: [{name: 'configuration', configMap: {name: `${name}-proxy`}}],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: meta('proxy'),
      // Local: nginx sees where clients come from, which its rules are about.
      spec: {
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        selector: labels('proxy'),
        ports: [{port: values.port, targetPort: NGINX_PORT}],
      },
    },
  ]
  return objects.map((object) => stringify(object)).join('---\n')
}
