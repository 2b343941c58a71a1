/** Certificates for 127.0.0.1 and localhost, made with openssl. */
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {runOk} from './run-program.ts'

const SUBJECT_NAMES = 'DNS:localhost,IP:127.0.0.1'

export interface Certificate {
  readonly certificateFile: string
  readonly keyFile: string
}

export interface CertificateAuthority {
  readonly caFile: string
  /** PEM. */
  readonly ca: string
  /** A certificate for 127.0.0.1 and localhost; `expired` makes one that ended in 2020, `names` one for other hosts (openssl's subjectAltName). */
  issue(name: string, options?: {readonly expired?: boolean; readonly names?: string}): Promise<Certificate>
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** Makes an authority that nobody trusts until told so. */
export async function createCertificateAuthority(directory: string): Promise<CertificateAuthority> {
  await mkdir(directory, {recursive: true})
  const at = (file: string): string => join(directory, file)
  const openssl = (...args: readonly string[]): Promise<string> => runOk('openssl', args, {cwd: directory})
  await openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '30', '-subj', '/CN=Holdfast test authority')
  await writeFile(at('index.txt'), '')
  await writeFile(
    at('ca.cnf'),
    `[ca]
default_ca = test
[test]
database = index.txt
new_certs_dir = .
certificate = ca.crt
private_key = ca.key
default_md = sha256
rand_serial = yes
unique_subject = no
policy = any
copy_extensions = copy
[any]
commonName = supplied
`,
  )
  return {
    caFile: at('ca.crt'),
    ca: await readFile(at('ca.crt'), 'utf8'),
    issue: async (name, options = {}) => {
      const extension = ['-addext', `subjectAltName=${options.names ?? SUBJECT_NAMES}`]
      await openssl('req', '-new', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`, ...extension)
      const validity = options.expired ? ['-startdate', '20190101000000Z', '-enddate', '20200101000000Z'] : ['-days', '30']
      await openssl('ca', '-batch', '-notext', '-config', 'ca.cnf', '-in', `${name}.csr`, '-out', `${name}.crt`, ...validity)
      return {certificateFile: at(`${name}.crt`), keyFile: at(`${name}.key`)}
    },
  }
}

/** Makes a certificate that is its own authority. */
export async function createSelfSignedCertificate(directory: string): Promise<Certificate> {
  await mkdir(directory, {recursive: true})
  const certificateFile = join(directory, 'self-signed.crt')
  const keyFile = join(directory, 'self-signed.key')
  const names = ['-subj', '/CN=localhost', '-addext', `subjectAltName=${SUBJECT_NAMES}`]
  await runOk('openssl', ['req', '-x509', ...newKey, '-keyout', keyFile, '-out', certificateFile, '-days', '30', ...names])
  return {certificateFile, keyFile}
}
