/** A certificate authority for one run of the benchmark, and a certificate of it for 127.0.0.1. */
import {execFile} from 'node:child_process'
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {promisify} from 'node:util'

export interface Certificates {
  readonly caFile: string
  /** A folder with nothing but `ca.crt`, as skopeo wants it. */
  readonly caFolder: string
  readonly certFile: string
  readonly keyFile: string
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
const VALID_DAYS = '2'

/** Makes them with openssl in `folder`. */
export async function createCertificates(folder: string): Promise<Certificates> {
  const caFolder = join(folder, 'ca')
  await mkdir(caFolder, {recursive: true})
  const file = (name: string): string => join(folder, name)
  const caFile = join(caFolder, 'ca.crt')
  const openssl = async (...args: readonly string[]): Promise<void> => {
    await promisify(execFile)('openssl', args)
  }
  await openssl('req', '-x509', ...NEW_KEY, '-keyout', file('ca.key'), '-out', caFile, '-days', VALID_DAYS, '-subj', '/CN=Benchmark CA')
  await openssl('req', ...NEW_KEY, '-keyout', file('tls.key'), '-out', file('tls.csr'), '-subj', '/CN=127.0.0.1')
  await writeFile(file('tls.ext'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  const signing = ['-CA', caFile, '-CAkey', file('ca.key'), '-CAcreateserial', '-days', VALID_DAYS, '-extfile', file('tls.ext')]
  await openssl('x509', '-req', '-in', file('tls.csr'), '-out', file('tls.crt'), ...signing)
  return {caFile, caFolder, certFile: file('tls.crt'), keyFile: file('tls.key')}
}
