import assert from 'node:assert/strict'
import {dockerConfigFiles} from '../../../src/lib/credentials/docker-config/paths.ts'

const paths = (...args: Parameters<typeof dockerConfigFiles>): readonly string[] => dockerConfigFiles(...args).map(({path}) => path)

describe('the files of docker and podman', () => {
  it('are found through the environment, the most specific first', () => {
    const environment = {
      REGISTRY_AUTH_FILE: '/ci/auth.json',
      XDG_RUNTIME_DIR: '/run/user/7',
      XDG_CONFIG_HOME: '/home/ann/etc',
      DOCKER_CONFIG: '/ci/docker',
    }
    assert.deepEqual(paths(environment, {homeDirectory: '/home/ann', uid: 7}), [
      '/ci/auth.json',
      '/run/user/7/containers/auth.json',
      '/home/ann/etc/containers/auth.json',
      '/ci/docker/config.json',
      '/home/ann/.dockercfg',
    ])
  })

  it('are at their usual places without it', () => {
    assert.deepEqual(paths({}, {homeDirectory: '/home/ann', uid: 7}), [
      '/run/containers/7/auth.json',
      '/home/ann/.config/containers/auth.json',
      '/home/ann/.docker/config.json',
      '/home/ann/.dockercfg',
    ])
  })

  it('do not come from an empty variable, nor from a user id where there is none', () => {
    const environment = {REGISTRY_AUTH_FILE: '', XDG_RUNTIME_DIR: '', XDG_CONFIG_HOME: '', DOCKER_CONFIG: ''}
    assert.deepEqual(paths(environment, {homeDirectory: '/home/ann'}), [
      '/home/ann/.config/containers/auth.json',
      '/home/ann/.docker/config.json',
      '/home/ann/.dockercfg',
    ])
  })

  it('are each listed once', () => {
    const listed = paths({REGISTRY_AUTH_FILE: '/home/ann/.docker/config.json'}, {homeDirectory: '/home/ann'})
    assert.equal(listed.filter((path) => path === '/home/ann/.docker/config.json').length, 1)
    assert.equal(listed[0], '/home/ann/.docker/config.json')
  })

  it('have .dockercfg in its own format', () => {
    const formats = dockerConfigFiles({}, {homeDirectory: '/home/ann'}).map(({format}) => format)
    assert.deepEqual(formats, ['config', 'config', 'dockercfg'])
  })
})
