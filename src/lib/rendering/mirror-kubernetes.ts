/** A protected mirror in a cluster of Kubernetes: its objects, for `kubectl apply`. */
import {createHash} from 'node:crypto'
import {stringify} from 'yaml'
import {
  assertContainers,
  DATA_DIRECTORY,
  MIRROR_PORT,
  MIRROR_PROGRAM,
  type MirrorContainers,
  mirrorArguments,
  NGINX_CONFIGURATION,
  NGINX_PROGRAM,
  nginxPort,
  STOP_GRACE_SECONDS,
} from './mirror-containers.ts'
import {NGINX_SCRATCH} from './mirror-nginx.ts'

/** How long an instance goes on taking requests after it was told to end: until then others send it some. */
const DEREGISTRATION = {exec: {command: ['sleep', '5']}}
const MIRROR_USER = 1000
/** nginx in its own images; every other one can run it as well. */
const NGINX_USER = 101
const TLS_DIRECTORY = '/etc/holdfast/tls'
/** Where the certificate and the key of nginx are, out of a Secret of the type `kubernetes.io/tls`. */
export const KUBERNETES_TLS = {certificateFile: `${TLS_DIRECTORY}/tls.crt`, keyFile: `${TLS_DIRECTORY}/tls.key`} as const
/** A pod's address is another pod's soon: which pods may come is what the NetworkPolicy says. */
const ANYWHERE = ['0.0.0.0/0', '::/0']
/** Name servers in a cluster; OpenShift's pods have the second port behind their service. */
const DNS_PORTS = [53, 5353].flatMap((port) => ['UDP', 'TCP'].map((protocol) => ({protocol, port})))

type Part = 'mirror' | 'proxy'

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderKubernetes(values: MirrorContainers, applications: readonly string[] = []): string {
  assertContainers(values)
  const {name, tls} = values
  const objects = [
    mirrorController(values),
    service(values, 'mirror', {ports: [{port: MIRROR_PORT, targetPort: MIRROR_PORT}]}),
    // Ingress alone: the mirror asks its upstreams, their token services and a store, wherever they are.
    policy(values, 'mirror', {
      policyTypes: ['Ingress'],
      ingress: [{from: [{podSelector: selector(name, 'proxy')}], ports: [{protocol: 'TCP', port: MIRROR_PORT}]}],
    }),
    disruptionBudget(values, 'mirror'),
    {apiVersion: 'v1', kind: 'ConfigMap', metadata: meta(name, 'proxy'), data: {'nginx.conf': values.nginx}},
    proxyController(values),
    service(values, 'proxy', {
      // Local: nginx sees where clients come from, which its rules are about.
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      ports: [{port: values.port, targetPort: nginxPort(tls)}],
    }),
    policy(values, 'proxy', {
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ports: [{protocol: 'TCP', port: nginxPort(tls)}]}],
      egress: [
        {ports: DNS_PORTS},
        {to: [{podSelector: selector(name, 'mirror')}], ports: [{protocol: 'TCP', port: MIRROR_PORT}]},
        ...applicationPorts(applications).map((port) => ({ports: [{protocol: 'TCP', port}]})),
      ],
    }),
    disruptionBudget(values, 'proxy'),
  ]
  const remark =
    tls === undefined ? '' : `# First: kubectl create secret tls ${name}-tls --cert ${tls.certificateFile} --key ${tls.keyFile}\n`
  return remark + objects.map((object) => stringify(object)).join('---\n')
}

const labels = (name: string, part: Part): Readonly<Record<string, string>> => ({
  'app.kubernetes.io/name': name,
  'app.kubernetes.io/component': part,
})

const meta = (name: string, part: Part): object => ({name: `${name}-${part}`, labels: labels(name, part)})

const selector = (name: string, part: Part): object => ({matchLabels: labels(name, part)})

function service({name}: MirrorContainers, part: Part, spec: object): object {
  return {apiVersion: 'v1', kind: 'Service', metadata: meta(name, part), spec: {selector: labels(name, part), ...spec}}
}

function policy({name}: MirrorContainers, part: Part, spec: object): object {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: meta(name, part),
    spec: {podSelector: selector(name, part), ...spec},
  }
}

/** Nodes are emptied one pod at a time; a lone pod may go, too, or its node could never be emptied. */
function disruptionBudget({name}: MirrorContainers, part: Part): object {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: meta(name, part),
    spec: {maxUnavailable: 1, selector: selector(name, part)},
  }
}

/** One port for each application behind the same nginx: `HOST:PORT`. */
function applicationPorts(addresses: readonly string[]): readonly number[] {
  return [...new Set(addresses.map((address) => Number(address.slice(address.lastIndexOf(':') + 1))))]
}

function mirrorController(values: MirrorContainers): object {
  const {name, image, store, instances} = values
  const probe = (path: string): object => ({httpGet: {path, port: MIRROR_PORT}, periodSeconds: 5, timeoutSeconds: 5})
  const template = pod(name, 'mirror', MIRROR_USER, {
    containers: [
      {
        name: 'mirror',
        image,
        command: MIRROR_PROGRAM,
        args: mirrorArguments(values, ANYWHERE),
        env: [{name: 'HOME', value: NGINX_SCRATCH}],
        // Credentials of upstreams, where they want them: HOLDFAST_AUTH_<HOST>_USERNAME and …_PASSWORD.
        envFrom: [{secretRef: {name: `${name}-credentials`, optional: true}}],
        ports: [{name: 'registry', containerPort: MIRROR_PORT}],
        readinessProbe: probe('/readyz'),
        // Restarted only if it answers nothing for a minute: a restart breaks off what is on its way.
        livenessProbe: {...probe('/healthz'), periodSeconds: 10, failureThreshold: 6},
        lifecycle: {preStop: DEREGISTRATION},
        resources: {requests: {cpu: '100m', memory: '256Mi'}, limits: {memory: '512Mi'}},
        securityContext: CONFINED,
        volumeMounts: [
          {name: 'data', mountPath: DATA_DIRECTORY},
          {name: 'scratch', mountPath: NGINX_SCRATCH},
        ],
      },
    ],
    volumes: [{name: 'scratch', emptyDir: {}}, ...(store === undefined ? [] : [{name: 'data', emptyDir: {}}])],
  })
  if (store !== undefined) return deployment(name, 'mirror', instances, template)
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: meta(name, 'mirror'),
    spec: {
      serviceName: `${name}-mirror`,
      replicas: 1,
      selector: selector(name, 'mirror'),
      template,
      volumeClaimTemplates: [{metadata: {name: 'data'}, spec: {accessModes: ['ReadWriteOnce'], resources: {requests: {storage: '100Gi'}}}}],
    },
  }
}

function proxyController({name, proxyImage, instances, tls, nginx}: MirrorContainers): object {
  const port = nginxPort(tls)
  const probe = {tcpSocket: {port}, periodSeconds: 5, timeoutSeconds: 5}
  const template = pod(name, 'proxy', NGINX_USER, {
    containers: [
      {
        name: 'nginx',
        image: proxyImage,
        command: NGINX_PROGRAM,
        ports: [{name: tls === undefined ? 'http' : 'https', containerPort: port}],
        readinessProbe: probe,
        livenessProbe: {...probe, periodSeconds: 10, failureThreshold: 6},
        // Running requests end first, whatever signal the image names.
        lifecycle: {
          preStop: {
            exec: {
              command: [
                '/bin/sh',
                '-c',
                `sleep 5; nginx -c ${NGINX_CONFIGURATION} -s quit; while [ -e ${NGINX_SCRATCH}/nginx.pid ]; do sleep 1; done`,
              ],
            },
          },
        },
        resources: {requests: {cpu: '50m', memory: '32Mi'}, limits: {memory: '128Mi'}},
        securityContext: CONFINED,
        volumeMounts: [
          {name: 'configuration', mountPath: NGINX_CONFIGURATION, subPath: 'nginx.conf', readOnly: true},
          ...(tls === undefined ? [] : [{name: 'tls', mountPath: TLS_DIRECTORY, readOnly: true}]),
          {name: 'scratch', mountPath: NGINX_SCRATCH},
        ],
      },
    ],
    volumes: [
      {name: 'scratch', emptyDir: {}},
      {name: 'configuration', configMap: {name: `${name}-proxy`}},
      ...(tls === undefined ? [] : [{name: 'tls', secret: {secretName: `${name}-tls`, defaultMode: 0o440}}]),
    ],
  })
  // Another configuration is another template: applied, it replaces the pods.
  const annotations = {'holdfast/configuration': createHash('sha256').update(nginx).digest('hex')}
  return deployment(name, 'proxy', instances, {...template, metadata: {...template.metadata, annotations}})
}

/** Neither container needs a right of root, nor writes to its image. */
const CONFINED = {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: ['ALL']}}

function pod(name: string, part: Part, user: number, spec: object): {readonly metadata: object; readonly spec: object} {
  return {
    metadata: {labels: labels(name, part)},
    spec: {
      // Neither asks the cluster for anything, and no variable of a service may be taken for one of Holdfast's.
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: user,
        runAsGroup: user,
        fsGroup: user,
        seccompProfile: {type: 'RuntimeDefault'},
      },
      terminationGracePeriodSeconds: STOP_GRACE_SECONDS,
      ...spec,
    },
  }
}

function deployment(name: string, part: Part, replicas: number, template: object): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: meta(name, part),
    spec: {
      replicas,
      selector: selector(name, part),
      strategy: {type: 'RollingUpdate', rollingUpdate: {maxUnavailable: 0, maxSurge: 1}},
      template,
    },
  }
}
