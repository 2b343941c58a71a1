/** The genuine OpenLDAP server with a directory of its own, on a free port of loopback. */
import type {ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {Certificate} from './certificates.ts'
import {spawnChild} from './child-process.ts'
import {freePort} from './free-port.ts'
import {PATIENCE_MS} from './patience.ts'
import {findProgram} from './required-program.ts'
import {run, runOk} from './run-program.ts'

/** Where Debian keeps schemas and modules. */
const SCHEMAS = '/etc/ldap/schema'
const MODULES = '/usr/lib/ldap'

export interface Slapd {
  /** `ldap://127.0.0.1:port` */
  readonly url: string
  /** The same over TLS, when it has a certificate. */
  readonly secureUrl: string
  stop(): Promise<void>
}

export interface SlapdOptions {
  readonly directory: string
  readonly suffix: string
  readonly rootDn: string
  readonly rootPassword: string
  /** LDIF of its entries. */
  readonly entries: string
  readonly tls?: Certificate & {readonly caFile: string}
}

export async function startSlapd({directory, suffix, rootDn, rootPassword, entries, tls}: SlapdOptions): Promise<Slapd> {
  const data = join(directory, 'slapd')
  await mkdir(data, {recursive: true})
  const configuration = join(directory, 'slapd.conf')
  const lines = [
    ...['core', 'cosine', 'inetorgperson'].map((schema) => `include ${SCHEMAS}/${schema}.schema`),
    `pidfile ${data}/slapd.pid`,
    `modulepath ${MODULES}`,
    'moduleload back_mdb',
    ...(tls === undefined
      ? []
      : [`TLSCACertificateFile ${tls.caFile}`, `TLSCertificateFile ${tls.certificateFile}`, `TLSCertificateKeyFile ${tls.keyFile}`]),
    'database mdb',
    `suffix "${suffix}"`,
    `rootdn "${rootDn}"`,
    `rootpw ${rootPassword}`,
    `directory ${data}`,
    'access to attrs=userPassword by anonymous auth by * none',
    'access to * by users read by anonymous auth',
  ]
  await writeFile(configuration, `${lines.join('\n')}\n`)
  await runOk(findProgram('slapadd') ?? 'slapadd', ['-f', configuration], {input: entries})
  const [port, securePort] = [await freePort(), await freePort()]
  const urls = [`ldap://127.0.0.1:${port}`, ...(tls === undefined ? [] : [`ldaps://127.0.0.1:${securePort}`])]
  const child: ChildProcess = spawnChild(findProgram('slapd') ?? 'slapd', ['-f', configuration, '-h', urls.join(' '), '-d', '0'], {
    stdio: 'ignore',
  })
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    const {exitCode} = await run('ldapwhoami', ['-x', '-H', `ldap://127.0.0.1:${port}`])
    if (exitCode === 0) break
    if (Date.now() > end || child.exitCode !== null) throw new Error('slapd does not start')
    await run('sleep', ['0.05'])
  }
  return {
    url: `ldap://127.0.0.1:${port}`,
    secureUrl: `ldaps://127.0.0.1:${securePort}`,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}
