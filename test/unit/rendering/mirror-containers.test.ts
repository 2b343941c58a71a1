import assert from 'node:assert/strict'
import {parse, parseAllDocuments} from 'yaml'
import {completePlan, writtenPlan} from '../../../src/lib/cli/mirror-plan.ts'
import {renderMirror} from '../../../src/lib/cli/mirror-rendering.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {renderCompose, renderKubernetes} from '../../../src/lib/rendering/mirror-compose.ts'

const IMAGE = `registry.internal/tools/holdfast:1.2@sha256:${'a'.repeat(64)}` as const
const PROXY_IMAGE = `registry.internal/nginx@sha256:${'b'.repeat(64)}` as const
const VALUES = {name: 'mirror', image: IMAGE, proxyImage: PROXY_IMAGE, upstreams: ['docker.io', 'ghcr.io'], instances: 3, port: 80}

interface KubernetesObject {
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
    assert.equal(command[command.indexOf('--allow') + 1], compose.networks.inside.ipam.config[0].subnet)
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
          url: 'https://m.example.com',
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
        url: 'https://m.example.com',
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
    for (const {kind, spec} of objectsOf(renderKubernetes({...VALUES, nginx: 'x'}))) {
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
    assert.deepEqual(kinds(renderKubernetes({...shared, nginx: 'x'}))[0], ['Deployment', 3])
    assert.deepEqual(kinds(renderKubernetes({...VALUES, nginx: 'x'}))[0], ['StatefulSet', 1])
  })

  it('lets nginx alone reach the mirror in a cluster', () => {
    const objects = objectsOf(renderKubernetes({...VALUES, nginx: 'server {}'}))
    const of = (kind: string, name: string) => objects.find((one) => one.kind === kind && one.metadata.name === name)
    const policy = of('NetworkPolicy', 'mirror-mirror')?.spec as unknown as {
      podSelector: {matchLabels: object}
      ingress: {from: {podSelector: {matchLabels: object}}[]}[]
    }
    assert.deepEqual(policy.podSelector.matchLabels, of('StatefulSet', 'mirror-mirror')?.spec.template.metadata.labels)
    assert.deepEqual(policy.ingress[0]?.from[0]?.podSelector.matchLabels, of('Deployment', 'mirror-proxy')?.spec.template.metadata.labels)
    assert.equal(Object.keys(of('Service', 'mirror-mirror')?.spec ?? {type: ''}).includes('type'), false, 'only inside')
  })

  it('takes no value that could be more than itself', () => {
    for (const wrong of ['a"b', 'a\nb', '$(x)', ''])
      for (const render of [renderCompose, (values: typeof VALUES) => renderKubernetes({...values, nginx: 'x'})])
        assert.throws(
          () => render({...VALUES, upstreams: [wrong]}),
          (error) => hasCode(error, 'CONFIGURATION'),
        )
  })
})
