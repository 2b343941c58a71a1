/** The examples of docs/mirror.md, as they stand there: what they write is looked at by the programs that it is for, and started. */
import assert from 'node:assert/strict'
import {once} from 'node:events'
import {chmod, chown, mkdir, readFile, writeFile} from 'node:fs/promises'
import {get} from 'node:https'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {parse, parseAllDocuments} from 'yaml'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createSelfSignedCertificate} from '../support/certificates.ts'
import {spawnChild} from '../support/child-process.ts'
import {freePort} from '../support/free-port.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {assertKubernetesObject} from '../support/kubernetes-schema.ts'
import {findProgram, needs} from '../support/required-program.ts'
import {run} from '../support/run-program.ts'
import {serveMirror} from '../support/served-mirror.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'
import {until} from '../support/until.ts'

const DOCUMENT = fileURLToPath(new URL('../../docs/mirror.md', import.meta.url))
const NGINX_USER = 101
/** systemd calls less than this "OK"; much less is left of what a service could do. */
const MOST_EXPOSURE = 3

describe('the examples of docs/mirror.md', function () {
  this.timeout(180_000)
  needs('nginx', 'systemd-analyze', 'openssl')
  const afterwards = cleanUpAfterwards()
  let directory: string
  let user: Holdfast
  let text: string
  let examples: readonly (readonly string[])[]

  before(async () => {
    const temporary = await createTemporaryDirectory('mirror-examples')
    afterwards(temporary.remove)
    directory = temporary.path
    await chmod(directory, 0o755)
    text = await readFile(DOCUMENT, 'utf8')
    examples = examplesOf(text)
    const certificate = await createSelfSignedCertificate(join(directory, 'tls'))
    await writeFile(join(directory, 'mirror.pem'), await readFile(certificate.certificateFile))
    await writeFile(join(directory, 'mirror.key'), await readFile(certificate.keyFile))
    await chmod(join(directory, 'mirror.key'), 0o644)
    user = await createHoldfast(directory, {AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret'})
  })

  /** Runs the example that has these words, as it stands there, or for another target. */
  async function write(words: string, folder: string, target?: string): Promise<(file: string) => Promise<string>> {
    const found = examples.filter((args) => args.join(' ').includes(words))
    assert.equal(found.length, 1, `one example has "${words}"`)
    const example = (found[0] ?? []).map((arg, index, all) => (all[index - 1] === '--target' ? (target ?? arg) : arg))
    const args = [...example, '--directory', folder]
    const {exitCode, stdout, stderr} = await user.run(args, {cwd: directory})
    assert.equal(exitCode, 0, `${args.join(' ')}\n${stdout}${stderr}`)
    return (file) => readFile(join(directory, folder, file), 'utf8')
  }

  /** Starts the mirror that a command line says, on a free port and in a folder of its own; what it was allowed and believes stays. */
  async function startMirror(args: readonly string[], listen: string): Promise<string> {
    assert.deepEqual(args.slice(0, 2), ['mirror', 'serve'])
    const values: Readonly<Record<string, string>> = {'--listen': listen, '--data-dir': join(directory, 'data')}
    const changed = args.slice(2).map((arg, index) => values[args[index + 1] ?? ''] ?? arg)
    const mirror = await serveMirror(user, changed)
    afterwards(() => mirror.stop())
    return mirror.host
  }

  /** Starts nginx with a whole configuration, and asks it until it answers. */
  async function startNginx(name: string, configuration: string, port: number, uid?: number): Promise<(path: string) => Promise<number>> {
    const file = join(directory, `${name}.conf`)
    await writeFile(file, configuration)
    const [program, ...args] = [
      ...(uid === undefined ? [] : ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups']),
      ...[findProgram('nginx') ?? 'nginx', '-c', file],
    ]
    const tested = await run(program ?? '', [...args, '-t'])
    assert.equal(tested.exitCode, 0, tested.stderr)
    const child = spawnChild(program ?? '', [...args, '-g', 'daemon off;'], {stdio: 'ignore'})
    afterwards(async () => {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
    })
    const ask = (path: string): Promise<number> =>
      new Promise((resolve, reject) => {
        get({host: '127.0.0.1', port, path, rejectUnauthorized: false}, (answer) => resolve(answer.resume().statusCode ?? 0)).on(
          'error',
          reject,
        )
      })
    await until(async () => (await ask('/').catch(() => 0)) !== 0)
    return ask
  }

  async function exposureOf(folder: string, unit: string): Promise<number> {
    const file = join(directory, folder, unit)
    const verified = await run('systemd-analyze', ['verify', file])
    assert.equal(verified.exitCode, 0, verified.stderr)
    const judged = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', file])
    return Number(/Overall exposure level for \S+: ([0-9.]+)/.exec(judged.stdout)?.[1])
  }

  it('write a confined service and an nginx with TLS for systemd, which start', async () => {
    const read = await write('mirror init --url https://mirror.example.com --upstream docker.io,ghcr.io', 'systemd')
    const exposure = await exposureOf('systemd', 'holdfast-mirror.service')
    assert.ok(exposure < MOST_EXPOSURE, `systemd-analyze security says ${exposure}`)
    const [, command = ''] = /^ExecStart=\/usr\/bin\/env holdfast (.*)$/m.exec(await read('holdfast-mirror.service')) ?? []
    const [mirror, front] = [await startMirror(command.split(' '), '127.0.0.1:0'), await freePort()]
    const scratch = join(directory, 'systemd-nginx')
    await mkdir(scratch)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${scratch}/${kind};`)
    const server = withAddresses(await read('nginx.conf'), {'listen 443 ssl': `listen 127.0.0.1:${front} ssl`, '127.0.0.1:5000': mirror})
    const whole = (text: string): string =>
      `pid ${scratch}/pid;\nerror_log ${scratch}/log;\nevents {}\nhttp {\naccess_log off;\n${temporary.join('\n')}\n${text}\n}\n`
    assert.equal(await (await startNginx('systemd', whole(server), front))('/v2/'), 403, 'this machine is none of 10.0.0.0/8')
    const other = await freePort()
    const open = withAddresses(server, {'allow 10.0.0.0/8': 'allow 127.0.0.1', [`127.0.0.1:${front} ssl`]: `127.0.0.1:${other} ssl`})
    assert.equal(await (await startNginx('systemd-open', whole(open).replace('/pid;', '/pid-open;'), other))('/v2/'), 200)
  })

  for (const target of ['kubernetes', 'compose'] as const) {
    it(`write containers for ${target}, whose programs start as they are written, nginx as an ordinary user`, async function () {
      if (process.getuid?.() !== 0) this.skip()
      // The example is that of Kubernetes; the same flags are good for compose.
      const read = await write('--target kubernetes', target, target)
      let [args, nginx, service]: [string[], string, string] = [[], '', '']
      if (target === 'kubernetes') {
        const objects = parseAllDocuments(await read('kubernetes.yaml')).map((document) => document.toJSON())
        for (const object of objects) await assertKubernetesObject(object)
        args = objects.find(({kind}) => kind === 'StatefulSet').spec.template.spec.containers[0].args
        nginx = objects.find(({kind}) => kind === 'ConfigMap').data['nginx.conf']
        service = 'docker-registry-mirror-mirror:5000'
      } else {
        args = parse(await read('compose.yaml')).services.mirror.command
        nginx = await read('nginx.conf')
        service = 'mirror:5000'
      }
      const front = await freePort()
      const mirror = await startMirror(args, '127.0.0.1:0')
      const scratch = join(directory, `${target}-nginx`)
      await mkdir(scratch)
      await chown(scratch, NGINX_USER, NGINX_USER)
      const configuration = withAddresses(nginx, {
        'listen 8443 ssl': `listen 127.0.0.1:${front} ssl`,
        [` ${service}`]: ` ${mirror}`,
        '/tmp/': `${scratch}/`,
        '/dev/stdout': `${scratch}/access.log`,
        'error_log stderr': `error_log ${scratch}/error.log`,
        'allow 10.0.0.0/8': 'allow 127.0.0.1',
        [target === 'kubernetes' ? '/etc/holdfast/tls/tls.crt' : '/run/secrets/tls.crt']: join(directory, 'mirror.pem'),
        [target === 'kubernetes' ? '/etc/holdfast/tls/tls.key' : '/run/secrets/tls.key']: join(directory, 'mirror.key'),
      })
      const ask = await startNginx(target, configuration, front, NGINX_USER)
      assert.deepEqual([await ask('/v2/'), await ask('/metrics')], [200, 404])
    })
  }

  it('write a mirror for Cloud Foundry that knows its routers', async () => {
    const read = await write('--target cf', 'cf')
    assert.match(await read('proxy/nginx/nginx.conf'), /set_real_ip_from 10\.0\.16\.0\/24;/)
  })

  it('write replicas of a registry, and units for them that are confined', async () => {
    // The bucket of the example is Amazon's.
    examples = examples.map((args) => args.filter((arg) => arg !== '--create-bucket'))
    const read = await write('registry render store', 'store')
    for (const unit of ['store-registry@.service', 'store-garbage-collect.service']) {
      const exposure = await exposureOf('store', unit)
      assert.ok(exposure < MOST_EXPOSURE, `${unit}: systemd-analyze security says ${exposure}`)
    }
    assert.match(await read('store-registry@.service'), /^LoadCredential=config\.yml:.*\/store\/current\.yml$/m)
    assert.match(await read('nginx.conf'), /listen 80;/)
  })

  it('say how clients are told what is written for them', async () => {
    const read = await write('mirror init --url https://mirror.example.com --upstream docker.io,ghcr.io', 'clients')
    const shown = /^## Clients\n[\s\S]*?^```\n([\s\S]*?)^```/m.exec(text)?.[1] ?? ''
    const [docker, v2, v3, hosts, podman, ...others] = shown.split(/^# .*\n/m).slice(1)
    assert.deepEqual(others, [])
    assert.deepEqual(JSON.parse(await read('clients/docker/daemon.json')), JSON.parse(docker ?? ''))
    for (const [file, lines = ''] of [
      ['containerd/config-v2.toml', v2],
      ['containerd/config-v3.toml', v3],
      ['containerd/certs.d/docker.io/hosts.toml', hosts],
      ['podman/registries.conf', podman],
    ] as const) {
      const written = (await read(`clients/${file}`)).replaceAll('\n\n', '\n')
      assert.ok(lines !== '' && written.includes(lines), `${file} has\n${lines}`)
    }
    assert.match(await read('mirror.yml'), /^unnamed: docker\.io$/m)
  })
})

/** The commands of a document that write something: their arguments, with digests where it has `…`. */
function examplesOf(text: string): readonly (readonly string[])[] {
  return text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .flatMap((line) => {
      const [, command] = /^(?:[A-Z_]+=\S+ )*holdfast ((?:mirror init|registry render) .*--.*?)(?: #.*)?$/.exec(line) ?? []
      return command === undefined ? [] : [command.replaceAll('sha256:…', `sha256:${'a'.repeat(64)}`).split(/\s+/)]
    })
}

/** A configuration on addresses and files of this test: each that is named has to be in it. */
function withAddresses(configuration: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((changed, [from, to]) => {
    assert.ok(changed.includes(from), `the configuration has "${from}":\n${changed}`)
    return changed.replaceAll(from, to)
  }, configuration)
}
