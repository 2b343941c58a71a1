import {type ServedRegistry, serveRegistry} from '../../src/lib/server/serve.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {type DockerRegistry, startDockerRegistry} from '../support/docker-registry.ts'
import {needs} from '../support/required-program.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {DOCKER_REGISTRY_FAILURES} from './conformance/docker-registry-failures.ts'
import {describeConformance} from './conformance/suite.ts'

describe('OCI distribution conformance of the embedded registry', () => {
  const afterwards = cleanUpAfterwards()
  let served: ServedRegistry

  before(async () => {
    const directory = await createTemporaryDirectory('conformance')
    afterwards(directory.remove)
    served = await serveRegistry({dataDirectory: directory.path, host: '127.0.0.1', port: 0})
    afterwards(() => served.stop({graceMs: 0}))
  })

  describeConformance({base: () => `http://127.0.0.1:${served.address.port}`})
})

describe('OCI distribution conformance of docker-registry 2.8, which shows that the tests can fail', () => {
  needs('docker-registry')
  const afterwards = cleanUpAfterwards()
  let registry: DockerRegistry

  before(async () => {
    registry = await startDockerRegistry()
    afterwards(registry.stop)
  })

  describeConformance({base: () => registry.url, knownFailures: DOCKER_REGISTRY_FAILURES})
})
