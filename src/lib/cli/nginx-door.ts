/** Where an nginx of ours listens, and with which certificate. */
import {resolve} from 'node:path'

export interface DoorFlags {
  readonly 'nginx-listen'?: string | undefined
  readonly 'tls-cert'?: string | undefined
  readonly 'tls-key'?: string | undefined
}

interface Door {
  readonly listen: string
  readonly tls: {readonly certificateFile: string; readonly keyFile: string} | undefined
}

/** Port 443 with a certificate, else 80, unless told otherwise. */
export function nginxDoor(flags: DoorFlags): Door {
  const [certificateFile, keyFile] = [flags['tls-cert'], flags['tls-key']]
  const tls =
    certificateFile === undefined || keyFile === undefined
      ? undefined
      : {certificateFile: resolve(certificateFile), keyFile: resolve(keyFile)}
  return {listen: flags['nginx-listen'] ?? (tls === undefined ? '80' : '443 ssl'), tls}
}
