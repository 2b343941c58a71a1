/** Genuine forward proxies: tinyproxy, and squid as it looks into TLS with an authority of its own. */
import {type ChildProcess, spawn} from 'node:child_process'
import {once} from 'node:events'
import {chmod, readFile, writeFile} from 'node:fs/promises'
import {connect} from 'node:net'
import {join} from 'node:path'
import {freePort} from './free-port.ts'
import {findProgram} from './required-program.ts'
import {runOk} from './run-program.ts'
import {until} from './until.ts'

/** Squid stops its helpers one after the other. */
const START_TIMEOUT_MS = 60_000
const CERTIFICATE_HELPER = '/usr/lib/squid/security_file_certgen'

export interface GenuineProxy {
  /** `http://127.0.0.1:port`. */
  readonly url: string
  /** Its access log so far. */
  log(): Promise<string>
  stop(): Promise<void>
}

/** @param credentials `user:password`, wanted from every client. */
export async function startTinyproxy(directory: string, credentials?: string): Promise<GenuineProxy> {
  const port = await freePort()
  const [configuration, log] = [join(directory, 'tinyproxy.conf'), join(directory, 'tinyproxy.log')]
  const login = credentials === undefined ? [] : [`BasicAuth ${credentials.replace(':', ' ')}`]
  const lines = [`Port ${port}`, 'Listen 127.0.0.1', 'Timeout 60', `LogFile "${log}"`, 'LogLevel Info', 'Allow 127.0.0.1', ...login]
  await writeFile(configuration, `${lines.join('\n')}\n`)
  return start('tinyproxy', ['-d', '-c', configuration], port, log)
}

/** Opens every tunnel with a certificate of its own authority, which is at `caFile`. */
export async function startInterceptingSquid(directory: string, originCaFile: string): Promise<GenuineProxy & {readonly caFile: string}> {
  const port = await freePort()
  const at = (name: string): string => join(directory, name)
  await runOk('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=Proxy authority'],
    ...['-addext', 'keyUsage=keyCertSign,cRLSign', '-keyout', at('squid.key'), '-out', at('squid.crt')],
  ])
  await writeFile(at('squid.pem'), Buffer.concat([await readFile(at('squid.crt')), await readFile(at('squid.key'))]))
  // Squid works as another user.
  for (const name of ['', 'squid.pem', 'squid.crt', 'squid.key']) await chmod(at(name), name === '' ? 0o777 : 0o644)
  await runOk(CERTIFICATE_HELPER, ['-c', '-s', at('certificates'), '-M', '4MB'])
  await runOk('chmod', ['-R', 'a+rwX', at('certificates')])
  const lines = [
    `http_port 127.0.0.1:${port} ssl-bump generate-host-certificates=on dynamic_cert_mem_cache_size=4MB tls-cert=${at('squid.pem')}`,
    `sslcrtd_program ${CERTIFICATE_HELPER} -s ${at('certificates')} -M 4MB`,
    'sslcrtd_children 1 startup=1',
    // It looks at the certificate of the origin first, and shows one for the same names.
    'ssl_bump stare all',
    'ssl_bump bump all',
    `tls_outgoing_options cafile=${originCaFile}`,
    'http_access allow all',
    'cache deny all',
    `access_log stdio:${at('squid.log')}`,
    `cache_log ${at('squid-cache.log')}`,
    'pid_filename none',
    'netdb_filename none',
    'shutdown_lifetime 0 seconds',
    `coredump_dir ${directory}`,
  ]
  await writeFile(at('squid.conf'), `${lines.join('\n')}\n`)
  return {...(await start('squid', ['-N', '-f', at('squid.conf')], port, at('squid.log'))), caFile: at('squid.crt')}
}

async function start(program: string, args: readonly string[], port: number, log: string): Promise<GenuineProxy> {
  const child: ChildProcess = spawn(findProgram(program) ?? program, args, {stdio: 'ignore'})
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  try {
    await until(() => answers(port), START_TIMEOUT_MS)
  } catch (error) {
    await stop()
    throw error
  }
  return {url: `http://127.0.0.1:${port}`, log: () => readFile(log, 'utf8').catch(() => ''), stop}
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
