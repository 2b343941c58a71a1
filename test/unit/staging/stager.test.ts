import assert from 'node:assert/strict'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {type BuilderArgumentsOptions, builderArguments} from '../../../src/lib/staging/stager/builder-arguments.ts'
import {parseStagingRequest} from '../../../src/lib/staging/stager/staging-request.ts'

const REQUEST = {
  app_id: 'app-guid',
  file_descriptors: 512,
  memory_mb: 512,
  environment: [
    {name: 'DIEGO_DOCKER_CACHE', value: 'true'},
    {name: 'SECRET', value: 'nobody sees it'},
  ],
  lifecycle: 'docker',
  lifecycle_data: {docker_image: 'busybox'},
}
const INSTANCES = [
  {host: '10.244.2.6', port: 8080},
  {host: '10.244.2.7', port: 8080},
]

describe('the arguments of the builder', () => {
  let lookedFor = 0
  const make = async (change: object = {}, options: Partial<BuilderArgumentsOptions> = {}): Promise<readonly string[]> => {
    lookedFor = 0
    const args = await builderArguments(parseStagingRequest(JSON.stringify({...REQUEST, ...change})), {
      registryAddress: {host: 'docker-registry.service.cf.internal', port: 8080},
      insecureRegistries: [],
      isCacheInsecure: false,
      findInstances: async () => {
        lookedFor++
        return INSTANCES
      },
      ...options,
    })
    return args.map((arg) => (typeof arg === 'string' ? arg : arg.reveal()))
  }
  const data = (more: object) => ({lifecycle_data: {docker_image: 'busybox', ...more}})
  const refused = (promise: Promise<unknown>, words: string) =>
    assert.rejects(promise, (error) => hasCode(error, 'USAGE') && error.message.endsWith(words))

  it('are those of the stager, in its order', async () => {
    const credentials = {
      docker_user: 'u',
      docker_password: 'p',
      docker_email: 'u@example.com',
      docker_login_server: 'https://r.example.com',
    }
    const args = await make(data(credentials), {insecureRegistries: ['10.0.0.1:80', '10.0.0.2:80']})
    assert.deepEqual(args, [
      '-outputMetadataJSONFilename',
      '/tmp/docker-result/result.json',
      '-dockerRef',
      'busybox',
      '-insecureDockerRegistries',
      '10.0.0.1:80,10.0.0.2:80',
      '-cacheDockerImage',
      '-dockerRegistryHost',
      'docker-registry.service.cf.internal',
      '-dockerRegistryPort',
      '8080',
      '-dockerRegistryIPs',
      '10.244.2.6,10.244.2.7',
      '-dockerLoginServer',
      'https://r.example.com',
      '-dockerUser',
      'u',
      '-dockerPassword',
      'p',
      '-dockerEmail',
      'u@example.com',
    ])
  })

  it('cache for exactly "true", and nothing is looked for otherwise', async () => {
    for (const value of ['True', 'TRUE', '1', 'yes', ' true', '']) {
      assert.deepEqual((await make({environment: [{name: 'DIEGO_DOCKER_CACHE', value}]})).slice(2), ['-dockerRef', 'busybox'], value)
      assert.equal(lookedFor, 0)
    }
    assert.equal((await make()).includes('-cacheDockerImage'), true)
    assert.deepEqual((await make({environment: [], ...data({docker_user: 'u'})})).slice(2), ['-dockerRef', 'busybox'])
  })

  it('list all instances of an insecure cache', async () => {
    const args = await make({}, {isCacheInsecure: true, insecureRegistries: ['10.244.2.6:8080']})
    assert.equal(args[args.indexOf('-insecureDockerRegistries') + 1], '10.244.2.6:8080,10.244.2.7:8080')
  })

  it('need an app, an image, a registry and whole credentials, in the stager’s words', async () => {
    await refused(make({app_id: ''}), 'missing app id')
    await refused(make({lifecycle_data: {}}), 'missing docker image download url')
    await refused(make({}, {findInstances: async () => []}), 'missing docker registry')
    await refused(make({}, {registryAddress: {host: 'a:1', port: 80}}), 'invalid docker registry address')
    for (const part of [{docker_user: 'u'}, {docker_password: 'p'}, {docker_email: 'e@f.g'}, {docker_user: 'u', docker_email: 'e@f.g'}]) {
      await refused(make(data(part)), 'missing docker credentials')
    }
    await make(data({docker_user: 'u', docker_password: 'p'}))
  })

  it('quote nothing of a request that cannot be read', () => {
    assert.throws(
      () => parseStagingRequest('{"lifecycle_data": {"docker_password": "canary"'),
      (error) => hasCode(error, 'USAGE') && !JSON.stringify(error).includes('canary') && !error.message.includes('canary'),
    )
  })
})
