import assert from 'node:assert/strict'
import {parse, parseAllDocuments} from 'yaml'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {renderCompose, renderKubernetes} from '../../../src/lib/rendering/mirror-compose.ts'

const VALUES = {name: 'mirror', version: '1.2.3', upstreams: ['docker.io', 'ghcr.io'], instances: 3, port: 80}

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
