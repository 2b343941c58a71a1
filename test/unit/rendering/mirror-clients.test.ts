import assert from 'node:assert/strict'
import {completePlan} from '../../../src/lib/cli/mirror-plan.ts'
import {renderMirror} from '../../../src/lib/cli/mirror-rendering.ts'
import {hasCode} from '../../../src/lib/core/errors.ts'

const render = (upstream: readonly string[], more: object = {}) =>
  renderMirror(
    completePlan({target: 'systemd', url: 'http://mirror.example.com:8080', upstream, allow: ['10.0.0.0/8'], ...more}, 'the flags'),
  )

describe('the settings of clients of a mirror', () => {
  it('name the registry by ns= or by the path, whatever the mirror has besides', async () => {
    const files = await render(['docker.io', 'http://localhost:5000'])
    const read = (file: string) => files.get(`clients/${file}`) ?? ''
    assert.match(
      read('containerd/certs.d/docker.io/hosts.toml'),
      /^server = "https:\/\/registry-1\.docker\.io"\n\n\[host\."http:\/\/mirror\.example\.com:8080"\]$/m,
    )
    assert.match(read('containerd/certs.d/localhost:5000/hosts.toml'), /^server = "http:\/\/localhost:5000"$/m)
    assert.match(read('k3s/registries.yaml'), /"localhost:5000":\n {4}endpoint: \["http:\/\/mirror\.example\.com:8080"\]/)
    assert.match(
      read('podman/registries.conf'),
      /location = "localhost:5000"\ninsecure = true\n\n\[\[registry\.mirror\]\]\nlocation = "mirror\.example\.com:8080\/localhost_5000"\ninsecure = true/,
    )
    assert.match(read('buildkit/buildkitd.toml'), /\[registry\."docker\.io"\]\n {2}mirrors = \["mirror\.example\.com:8080\/docker\.io"\]/)
    assert.match(read('buildkit/buildkitd.toml'), /\[registry\."mirror\.example\.com:8080"\]\n {2}http = true/)
    assert.match(read('containerd/config-v2.toml'), /^version = 2\n\n\[plugins\."io\.containerd\.grpc\.v1\.cri"\.registry\]$/m)
    assert.match(read('containerd/config-v3.toml'), /^version = 3\n\n\[plugins\."io\.containerd\.cri\.v1\.images"\.registry\]$/m)
  })

  it('are written for clients that name no registry only where such requests are about Docker Hub', async () => {
    const nameless = ['clients/docker/daemon.json', 'clients/concourse/resource.yaml']
    const has = async (upstream: readonly string[], more?: object) => {
      const files = await render(upstream, more)
      return nameless.map((file) => files.has(file))
    }
    assert.deepEqual(await has(['docker.io']), [true, true])
    assert.deepEqual(await has(['index.docker.io']), [true, true])
    assert.deepEqual(await has(['ghcr.io']), [false, false])
    assert.deepEqual(await has(['docker.io', 'ghcr.io']), [false, false])
    assert.deepEqual(await has(['docker.io', 'ghcr.io'], {unnamed: 'ghcr.io'}), [false, false])
    assert.deepEqual(await has(['docker.io', 'ghcr.io'], {unnamed: 'index.docker.io'}), [true, true])
  })

  it('are not written for what is no host, for one registry twice, and for an unnamed one that is not mirrored', async () => {
    for (const [upstream, more] of [
      [['hub'], {}],
      [['docker.io', 'registry-1.docker.io'], {}],
      [['docker.io', 'ghcr.io'], {unnamed: 'quay.io'}],
    ] as const)
      await assert.rejects(render(upstream, more), (error) => hasCode(error, 'USAGE') && error.hints.length > 0)
  })
})
