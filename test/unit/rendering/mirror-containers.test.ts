import assert from 'node:assert/strict'
import {parse, parseAllDocuments} from 'yaml'
import {completePlan, writtenPlan} from '../../../src/lib/cli/mirror-plan.ts'
import {renderMirror} from '../../../src/lib/cli/mirror-rendering.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {renderCompose} from '../../../src/lib/rendering/mirror-compose.ts'
import {renderKubernetes} from '../../../src/lib/rendering/mirror-kubernetes.ts'
import {assertKubernetesObject} from '../../support/kubernetes-schema.ts'

const IMAGE = `registry.internal/tools/holdfast:1.2@sha256:${'a'.repeat(64)}` as const
const PROXY_IMAGE = `registry.internal/nginx@sha256:${'b'.repeat(64)}` as const
const VALUES = {
  name: 'mirror',
  image: IMAGE,
  proxyImage: PROXY_IMAGE,
  upstreams: ['docker.io', 'ghcr.io'],
  instances: 3,
  port: 80,
  nginx: 'http {}',
}
const TLS = {certificateFile: '/etc/ssl/m.pem', keyFile: '/etc/ssl/m.key'}

interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {readonly name: string}
  readonly spec: Readonly<Record<string, never>> & {
    readonly replicas?: number
    readonly template: {readonly metadata: {readonly labels: object}; readonly spec: {readonly containers: {readonly command: string[]}[]}}
  }
}

const objectsOf = (yaml: string) => parseAllDocuments(yaml).map((document) => document.toJSON() as KubernetesObject)

describe('a protected mirror in containers', () => {
  it('publishes nginx and nothing else under compose, and lets nobody else into the network of the mirror', () => {
    const compose = parse(renderCompose(VALUES))
    const published = Object.entries<{ports?: string[]}>(compose.services).filter(([, {ports}]) => ports !== undefined)
    assert.deepEqual(published, [['proxy', {...compose.services.proxy, ports: ['80:8080']}]])
    assert.equal(compose.networks.inside.internal, true)
    const command: string[] = compose.services.mirror.command
    const allowed = command.filter((_, index) => command[index - 1] === '--allow')
    assert.deepEqual(allowed, [compose.networks.inside.ipam.config[0].subnet, '127.0.0.1'])
    assert.deepEqual(
      command.filter((_, index) => command[index - 1] === '--upstream'),
      ['docker.io', 'ghcr.io'],
    )
    assert.ok(compose.volumes.mirror)
  })

  it('runs holdfast of the image that it was given, pinned by digest, and fetches nothing else', async () => {
    const plan = (target: string, more: object = {}) =>
      completePlan(
        {
          target,
          url: 'http://m.example.com',
          upstream: ['docker.io'],
          allow: ['10.0.0.0/8'],
          image: IMAGE,
          'proxy-image': PROXY_IMAGE,
          ...more,
        },
        'the flags',
      )
    for (const store of [{}, {store: 'registry.internal/mirror'}]) {
      const compose = parse((await renderMirror(plan('compose', store))).get('compose.yaml') ?? '')
      assert.deepEqual([compose.services.mirror.image, compose.services.proxy.image], [IMAGE, PROXY_IMAGE])
      assert.deepEqual(
        [compose.services.mirror.entrypoint, compose.services.mirror.command.slice(0, 2)],
        [['holdfast'], ['mirror', 'serve']],
      )
      const objects = parseAllDocuments((await renderMirror(plan('kubernetes', store))).get('kubernetes.yaml') ?? '')
      const containers = objects.flatMap((object) => object.toJSON().spec?.template?.spec.containers ?? [])
      assert.deepEqual(
        containers.map(({name, image}) => [name, image]),
        [
          ['mirror', IMAGE],
          ['nginx', PROXY_IMAGE],
        ],
      )
      assert.deepEqual([containers[0].command, containers[0].args.slice(0, 2)], [['holdfast'], ['mirror', 'serve']])
    }
    for (const target of ['compose', 'kubernetes'])
      assert.partialDeepStrictEqual(writtenPlan(plan(target)), {image: IMAGE, 'proxy-image': PROXY_IMAGE})
    for (const target of ['compose', 'kubernetes'])
      for (const flag of ['image', 'proxy-image'])
        for (const wrong of [
          undefined,
          'nginx',
          'registry.internal/nginx:1.28',
          `nginx@sha256:${'a'.repeat(63)}`,
          `nginx@sha256:${'A'.repeat(64)}`,
        ]) {
          const values = plan(target)
          await assert.rejects(
            renderMirror({...values, [flag]: wrong}),
            (error) => hasCode(error, 'USAGE') && error.hints.length > 0,
            `${target} --${flag} ${wrong}`,
          )
        }
  })

  it('learns the digest of a tag by the command in its hint', async () => {
    const values = completePlan(
      {
        target: 'compose',
        url: 'http://m.example.com',
        upstream: ['docker.io'],
        allow: ['10.0.0.0/8'],
        image: IMAGE,
        'proxy-image': 'nginx:1.28',
      },
      'the flags',
    )
    await assert.rejects(
      renderMirror(values),
      (error) => hasCode(error, 'USAGE') && error.hints[0] === 'holdfast inspect docker.io/library/nginx:1.28',
    )
  })

  it('goes on with what runs when an instance is told to end', () => {
    const {services} = parse(renderCompose(VALUES))
    assert.deepEqual(
      [services.proxy.stop_signal, services.proxy.stop_grace_period, services.mirror.stop_grace_period],
      ['SIGQUIT', '60s', '60s'],
    )
    for (const {kind, spec} of objectsOf(renderKubernetes(VALUES))) {
      if (spec?.template === undefined) continue
      const [container] = spec.template.spec.containers
      assert.match(JSON.stringify(container), /"preStop":\{"exec":\{"command":\[.*sleep/, kind)
    }
  })

  it('has as many mirrors as are wanted where a registry keeps what they have, and one with a disk otherwise', () => {
    const shared = {...VALUES, store: 'registry.internal/mirror'}
    const compose = parse(renderCompose(shared))
    assert.deepEqual([compose.services.mirror.deploy.replicas, compose.volumes], [3, undefined])
    const kinds = (yaml: string) => objectsOf(yaml).map(({kind, spec}) => [kind, spec?.replicas])
    assert.deepEqual(kinds(renderKubernetes(shared))[0], ['Deployment', 3])
    assert.deepEqual(kinds(renderKubernetes(VALUES))[0], ['StatefulSet', 1])
  })

  it('lets nginx alone reach the mirror in a cluster', () => {
    const objects = objectsOf(renderKubernetes(VALUES))
    const of = (kind: string, name: string) => objects.find((one) => one.kind === kind && one.metadata.name === name)
    const policy = of('NetworkPolicy', 'mirror-mirror')?.spec as unknown as {
      podSelector: {matchLabels: object}
      ingress: {from: {podSelector: {matchLabels: object}}[]}[]
    }
    assert.deepEqual(policy.podSelector.matchLabels, of('StatefulSet', 'mirror-mirror')?.spec.template.metadata.labels)
    assert.deepEqual(policy.ingress[0]?.from[0]?.podSelector.matchLabels, of('Deployment', 'mirror-proxy')?.spec.template.metadata.labels)
    assert.equal(Object.keys(of('Service', 'mirror-mirror')?.spec ?? {type: ''}).includes('type'), false, 'only inside')
  })

  for (const [name, values] of [
    ['on a volume', VALUES],
    ['in a registry, with TLS', {...VALUES, store: 'registry.internal/mirror', unnamed: 'docker.io', tls: TLS}],
  ] as const) {
    it(`follows the schemas of the API of Kubernetes, ${name}`, async () => {
      const objects = objectsOf(renderKubernetes(values, ['registry.internal:5050']))
      assert.deepEqual(
        objects.map(({kind}) => kind).toSorted(),
        [
          ...('store' in values ? ['Deployment', 'Deployment'] : ['Deployment', 'StatefulSet']),
          ...['ConfigMap', 'NetworkPolicy', 'NetworkPolicy', 'PodDisruptionBudget', 'PodDisruptionBudget', 'Service', 'Service'],
        ].toSorted(),
      )
      for (const object of objects) await assertKubernetesObject(object)
    })

    it(`confines both programs, bounds them, and asks whether they live, ${name}`, () => {
      for (const {kind, spec} of objectsOf(renderKubernetes(values))) {
        if (spec?.template === undefined) continue
        const pod = spec.template.spec
        assert.partialDeepStrictEqual(pod, {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: {runAsNonRoot: true, seccompProfile: {type: 'RuntimeDefault'}},
        })
        assert.equal(pod.containers.length, 1)
        for (const container of pod.containers) {
          assert.partialDeepStrictEqual(container, {
            securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: ['ALL']}},
          })
          for (const part of ['readinessProbe', 'livenessProbe', 'resources']) assert.ok(part in container, `${kind} ${part}`)
        }
      }
    })
  }

  it('lets nginx ask name servers and the mirror in a cluster, and the applications behind it, and nothing else', () => {
    const policies = objectsOf(renderKubernetes(VALUES, ['registry.internal:5050'])).filter(({kind}) => kind === 'NetworkPolicy')
    const egress = policies.map(({spec}) => (spec as unknown as {egress?: {to?: object[]; ports: {port: number}[]}[]}).egress)
    assert.equal(egress[0], undefined, 'the mirror asks its upstreams')
    assert.deepEqual(
      egress[1]?.map(({to, ports}) => [to?.length ?? 'anywhere', [...new Set(ports.map(({port}) => port))]]),
      [
        ['anywhere', [53, 5353]],
        [1, [5000]],
        ['anywhere', [5050]],
      ],
    )
  })

  it('speaks TLS with the certificate that it was given, at the port of its URL', async () => {
    const given = {
      url: 'https://m.example.com:5443',
      upstream: ['docker.io'],
      allow: ['10.0.0.0/8'],
      image: IMAGE,
      'proxy-image': PROXY_IMAGE,
    }
    const files = (target: string, more: object) => renderMirror(completePlan({target, ...given, ...more}, 'the flags'))
    const tls = {'tls-cert': TLS.certificateFile, 'tls-key': TLS.keyFile}
    const composed = await files('compose', tls)
    const compose = parse(composed.get('compose.yaml') ?? '')
    assert.deepEqual([compose.services.proxy.ports, compose.secrets['tls.key']], [['5443:8443'], {file: TLS.keyFile}])
    assert.match(composed.get('nginx.conf') ?? '', /listen 8443 ssl;[^}]*ssl_certificate_key "\/run\/secrets\/tls\.key";/)
    const yaml = (await files('kubernetes', tls)).get('kubernetes.yaml') ?? ''
    assert.match(
      yaml,
      /^# First: kubectl create secret tls docker-registry-mirror-tls --cert \/etc\/ssl\/m\.pem --key \/etc\/ssl\/m\.key\n/,
    )
    const objects = objectsOf(yaml)
    const balancer = objects.find(({kind, spec}) => kind === 'Service' && 'type' in spec)?.spec
    assert.deepEqual(balancer?.ports, [{port: 5443, targetPort: 8443}])
    const proxy = objects.find(({metadata, kind}) => kind === 'Deployment' && metadata.name.endsWith('-proxy'))
    assert.partialDeepStrictEqual(proxy?.spec.template.spec, {volumes: [{}, {}, {secret: {secretName: 'docker-registry-mirror-tls'}}]})
    // Nothing would speak TLS, or nothing would use the certificate.
    for (const target of ['compose', 'kubernetes', 'systemd'])
      for (const wrong of [{}, {url: 'http://m.example.com', ...tls}])
        await assert.rejects(
          (async () => {
            const values = target === 'systemd' ? {image: undefined, 'proxy-image': undefined} : {}
            const plan = Object.fromEntries(
              Object.entries({target, ...given, ...values, ...wrong}).filter(([, value]) => value !== undefined),
            )
            await renderMirror(completePlan(plan, 'the flags'))
          })(),
          (error) => hasCode(error, 'USAGE') && error.hints.length > 0,
        )
    const behind = await files('compose', {'trusted-proxy': ['10.0.0.7']})
    assert.match(behind.get('nginx.conf') ?? '', /listen 8080;[^}]*X-Forwarded-Proto https;/)
  })

  it('takes no flag that it would not use', () => {
    for (const [target, flag] of [
      ['compose', 'nginx-listen'],
      ['kubernetes', 'listen'],
      ['cf', 'tls-cert'],
      ['cf', 'unnamed'],
      ['systemd', 'image'],
    ] as const)
      assert.throws(
        () => completePlan({target, url: 'http://m', upstream: ['docker.io'], allow: ['10.0.0.0/8'], [flag]: 'x'}, 'the flags'),
        (error) => hasCode(error, 'USAGE') && error.message.includes(`"${flag}" says nothing to the target ${target}`),
      )
  })

  it('has a name that DNS takes', () => {
    for (const name of ['My mirror', 'a_b', '1a', 'a'.repeat(49)])
      for (const render of [renderCompose, renderKubernetes])
        assert.throws(
          () => render({...VALUES, name}),
          (error) => hasCode(error, 'CONFIGURATION'),
        )
  })

  it('takes no value that could be more than itself', () => {
    for (const wrong of ['a"b', 'a\nb', '$(x)', ''])
      for (const render of [renderCompose, renderKubernetes])
        assert.throws(
          () => render({...VALUES, upstreams: [wrong]}),
          (error) => hasCode(error, 'CONFIGURATION'),
        )
  })
})
