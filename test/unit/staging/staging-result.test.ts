import assert from 'node:assert/strict'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {parseImageConfig} from '../../../src/lib/oci/image-config.ts'
import {formatStagingResult} from '../../../src/lib/staging/staging-result.ts'

const config = (run: object) =>
  parseImageConfig(new TextEncoder().encode(JSON.stringify({os: 'linux', architecture: 'amd64', config: run})))

describe('the staging result', () => {
  it('has the shape that the Cloud Controller reads today', () => {
    const text = formatStagingResult(
      'current',
      'docker-registry.service.cf.internal:8080/guid',
      config({Cmd: ['-x'], Entrypoint: ['/app'], WorkingDir: '/w', User: 'u', ExposedPorts: {'8081/tcp': {}}}),
    )
    assert.equal(
      text,
      String.raw`{"lifecycle_type":"docker","lifecycle_metadata":{"docker_image":"docker-registry.service.cf.internal:8080/guid"},"process_types":{"web":"/app -x"},"execution_metadata":"{\"cmd\":[\"-x\"],\"entrypoint\":[\"/app\"],\"workdir\":\"/w\",\"ports\":[{\"Port\":8081,\"Protocol\":\"tcp\"}],\"user\":\"u\"}"}${'\n'}`,
    )
  })

  it('has the shape of 2015', () => {
    const text = formatStagingResult(
      '2015',
      '10.244.2.6:8080/guid',
      config({Cmd: ['-x'], Entrypoint: ['/app'], WorkingDir: '/w', User: 'u'}),
    )
    assert.equal(
      text,
      String.raw`{"execution_metadata":"{\"cmd\":[\"-x\"],\"entrypoint\":[\"/app\"],\"workdir\":\"/w\"}","detected_start_command":{"web":"/app -x"},"docker_image":"10.244.2.6:8080/guid"}${'\n'}`,
    )
  })

  it('leaves away what the image does not say', () => {
    const result = JSON.parse(formatStagingResult('current', 'x', config({Cmd: ['/app']}))) as {execution_metadata: string}
    assert.equal(result.execution_metadata, '{"cmd":["/app"]}')
  })

  it('ends the command of an entrypoint alone in a space, and escapes as Go does', () => {
    const entrypoint = formatStagingResult('current', 'x', config({Entrypoint: ['/app']}))
    assert.deepEqual((JSON.parse(entrypoint) as {process_types: object}).process_types, {web: '/app '})
    const text = formatStagingResult('current', 'x', config({Cmd: ['a<b>&"c"\u2028\u007f']}))
    assert.equal(
      text,
      String.raw`{"lifecycle_type":"docker","lifecycle_metadata":{"docker_image":"x"},"process_types":{"web":"a\u003cb\u003e\u0026\"c\"\u2028${'\u007f'}"},"execution_metadata":"{\"cmd\":[\"a\\u003cb\\u003e\\u0026\\\"c\\\"\\u2028${'\u007f'}\"]}"}${'\n'}`,
    )
    assert.ok(formatStagingResult('current', 'x', config({Cmd: ['\ud800']})).includes('\ufffd'))
  })

  it('sorts ports by number, and tcp before udp', () => {
    const ports = {'9000/tcp': {}, '53/udp': {}, '53/tcp': {}, '80': {}}
    const result = JSON.parse(formatStagingResult('current', 'x', config({ExposedPorts: ports}))) as {execution_metadata: string}
    assert.deepEqual(
      (JSON.parse(result.execution_metadata) as {ports: {Port: number; Protocol: string}[]}).ports.map(
        (port) => `${port.Port}/${port.Protocol}`,
      ),
      ['53/tcp', '53/udp', '80/tcp', '9000/tcp'],
    )
  })

  it('refuses a port that is none', () => {
    assert.throws(
      () => formatStagingResult('current', 'x', config({ExposedPorts: {http: {}}})),
      (error) => hasCode(error, 'INVALID_MANIFEST'),
    )
  })
})
