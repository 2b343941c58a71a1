/** How a mirror is kept running on a machine: a unit of systemd. */
import {assertPlain} from './plain.ts'
import {HARDENED_SERVICE} from './systemd-hardening.ts'

export interface MirrorServiceValues {
  /** `127.0.0.1:5000`; of several, all of one host. */
  readonly listen: readonly [string, ...string[]]
  readonly upstreams: readonly string[]
  /** The upstream of requests that name none. */
  readonly unnamed?: string | undefined
  /** The registry that keeps what the mirror has. */
  readonly store?: string | undefined
  readonly dataDirectory: string
  /** Where the proxy before it comes from: nobody else reaches the mirror. */
  readonly proxyNetworks: readonly string[]
}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderSystemdUnit({listen, upstreams, unnamed, store, dataDirectory, proxyNetworks}: MirrorServiceValues): string {
  for (const text of [...listen, dataDirectory, ...upstreams, ...proxyNetworks, unnamed, store])
    if (text !== undefined) assertPlain('a value', text.replaceAll('%', ''))
  const flags = [
    ...upstreams.map((upstream) => `--upstream ${upstream}`),
    ...proxyNetworks.map((network) => `--allow ${network}`),
    ...proxyNetworks.map((network) => `--trusted-proxy ${network}`),
    ...(unnamed === undefined ? [] : [`--unnamed ${unnamed}`]),
    ...(store === undefined ? [] : [`--store ${store}`]),
  ].join(' ')
  const [first, ...others] = listen
  // A unit for each, by its port: systemctl enable --now holdfast-mirror@5000
  const address = others.length === 0 ? first : `${first.replace(/:[0-9]+$/, '')}:%i`
  return `[Unit]
Description=Holdfast mirror of ${upstreams.join(', ')}
After=network-online.target
Wants=network-online.target

[Service]
# Credentials of upstreams, where they want them: HOLDFAST_AUTH_<HOST>_USERNAME and …_PASSWORD, readable by root alone.
EnvironmentFile=-/etc/holdfast/mirror.env
ExecStart=/usr/bin/env holdfast mirror serve ${flags} --listen ${address} --data-dir ${dataDirectory}
Restart=always
RestartSec=1
${ownerOf(dataDirectory)}
${HARDENED_SERVICE}

[Install]
WantedBy=multi-user.target
`
}

/** systemd makes a folder of /var/lib and gives it to a user that it makes; another folder has to be there, and to belong to a user that is there. */
function ownerOf(dataDirectory: string): string {
  const [, state] = /^\/var\/lib\/([A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*)\/?$/.exec(dataDirectory) ?? []
  if (state !== undefined && !state.split('/').includes('..')) return `DynamicUser=yes\nStateDirectory=${state}\nStateDirectoryMode=0700`
  return `# useradd --system holdfast && install -d -o holdfast -m 700 "${dataDirectory}"\nUser=holdfast\nReadWritePaths=${dataDirectory}`
}
