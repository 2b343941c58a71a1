/** How a mirror is kept running on a machine: a unit of systemd. */
import {assertPlain} from './plain.ts'

export interface MirrorServiceValues {
  /** `127.0.0.1:5000`; of several, all of one host. */
  readonly listen: readonly [string, ...string[]]
  readonly upstreams: readonly string[]
  /** The registry that keeps what the mirror has. */
  readonly store?: string | undefined
  readonly dataDirectory: string
  /** Where the proxy before it comes from: nobody else reaches the mirror. */
  readonly proxyNetworks: readonly string[]
}

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderSystemdUnit({listen, upstreams, store, dataDirectory, proxyNetworks}: MirrorServiceValues): string {
  for (const text of [...listen, dataDirectory, ...upstreams, ...proxyNetworks, ...(store === undefined ? [] : [store])])
    assertPlain('a value', text.replaceAll('%', ''))
  const flags = [
    ...upstreams.map((upstream) => `--upstream ${upstream}`),
    ...proxyNetworks.map((network) => `--allow ${network}`),
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
DynamicUser=yes
StateDirectory=holdfast
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ReadWritePaths=${dataDirectory}

[Install]
WantedBy=multi-user.target
`
}
