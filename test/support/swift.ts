/** OpenStack Swift with its S3 API: a genuine object store that checks signatures, with one disk and one account, on free ports of loopback. */
import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {userInfo} from 'node:os'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {spawnChild} from './child-process.ts'
import {freePorts} from './free-port.ts'
import {PATIENCE_MS} from './patience.ts'
import {runOk} from './run-program.ts'
import {createTemporaryDirectory} from './temporary-directory.ts'

const POLL_MS = 50
/** Debian's own: Swift is installed for it and for no other. */
const PYTHON = '/usr/bin/python3'
const KINDS = ['account', 'container', 'object'] as const

export interface Swift {
  /** `http://127.0.0.1:port`: the S3 endpoint. */
  readonly url: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  stop(): Promise<void>
}

/** What `.ci/run` installs for it. */
export const SWIFT_PROGRAMS: readonly string[] = [
  'swift-proxy-server',
  'swift-account-server',
  'swift-container-server',
  'swift-object-server',
  'swift-ring-builder',
  'memcached',
]

export async function startSwift(): Promise<Swift> {
  const directory = await createTemporaryDirectory('swift')
  const home = directory.path
  const file = (name: string): string => join(home, name)
  const proxy = await freePorts(2 + KINDS.length)
  const memcached = proxy + 1
  const ports = KINDS.map((_, index) => proxy + 2 + index)
  const defaults = (port: number | undefined): string =>
    `[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = ${port}\nworkers = 0\nuser = ${userInfo().username}\nswift_dir = ${home}\nlog_level = ERROR\n`
  await mkdir(file('disks/d1'), {recursive: true})
  await mkdir(file('cache'))
  await writeFile(
    file('swift.conf'),
    '[swift-hash]\nswift_hash_path_suffix = tests\nswift_hash_path_prefix = of\n[storage-policy:0]\nname = gold\ndefault = yes\n',
  )
  for (const [index, kind] of KINDS.entries()) {
    const builder = file(`${kind}.builder`)
    await runOk('swift-ring-builder', [builder, 'create', '4', '1', '1'])
    const where = ['--region', '1', '--zone', '1', '--ip', '127.0.0.1', '--port', String(ports[index])]
    await runOk('swift-ring-builder', [builder, 'add', ...where, '--device', 'd1', '--weight', '100'])
    await runOk('swift-ring-builder', [builder, 'rebalance'])
    await writeFile(
      file(`${kind}.conf`),
      `${defaults(ports[index])}devices = ${file('disks')}\nmount_check = false\nfallocate_reserve = 0\nrecon_cache_path = ${file('cache')}\n[pipeline:main]\npipeline = ${kind}-server\n[app:${kind}-server]\nuse = egg:swift#${kind}\n`,
    )
  }
  const filters = {
    catch_errors: '',
    'proxy-logging': '',
    cache: `memcache_servers = 127.0.0.1:${memcached}`,
    listing_formats: '',
    s3api: 's3_acl = false',
    tempauth: 'user_test_tester = testing .admin',
    bulk: '',
    copy: '',
    slo: '',
    dlo: '',
    symlink: '',
    versioned_writes: 'allow_versioned_writes = true',
  }
  const sections = Object.entries(filters).map(
    ([name, lines]) =>
      `[filter:${name}]\nuse = egg:swift#${({cache: 'memcache', 'proxy-logging': 'proxy_logging'} as Record<string, string>)[name] ?? name}\n${lines}\n`,
  )
  await writeFile(
    file('proxy.conf'),
    `${defaults(proxy)}[pipeline:main]\npipeline = catch_errors cache listing_formats s3api tempauth bulk copy slo dlo symlink versioned_writes proxy-server\n[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n${sections.join('')}`,
  )
  const log = file('log')
  await writeFile(log, '')
  const children: ChildProcess[] = [
    spawnChild('memcached', ['-l', '127.0.0.1', '-p', String(memcached), '-u', userInfo().username], {stdio: 'ignore'}),
  ]
  for (const kind of [...KINDS, 'proxy']) {
    const program = `import sys
from swift.common.utils import set_swift_dir
set_swift_dir(${JSON.stringify(home)})
from swift.common.wsgi import run_wsgi
sys.exit(run_wsgi(${JSON.stringify(file(`${kind}.conf`))}, '${kind}-server'))`
    children.push(spawnChild(PYTHON, ['-c', program], {stdio: ['ignore', 'ignore', 'pipe']}))
  }
  const said: string[] = []
  for (const child of children) child.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  const stop = async (): Promise<void> => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await directory.remove()
  }
  const url = `http://127.0.0.1:${proxy}`
  for (const end = Date.now() + PATIENCE_MS; ; await sleep(POLL_MS)) {
    const answers = await Promise.all([proxy, ...ports].map((port) => fetch(`http://127.0.0.1:${port}/`).catch(() => undefined)))
    if (answers.every((answer) => answer !== undefined)) break
    if (Date.now() < end && children.every(({exitCode}) => exitCode === null)) continue
    const text = said.join('') + (await readFile(log, 'utf8'))
    await stop()
    throw new Error(`Swift does not start: ${text}`)
  }
  return {url, accessKeyId: 'test:tester', secretAccessKey: 'testing', stop}
}
