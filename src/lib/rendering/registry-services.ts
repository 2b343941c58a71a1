/** How the replicas of a registry are kept running, and cleared of what no manifest names while they go on serving. */
import {assertPlain} from './plain.ts'
import {HARDENED_ROOT_JOB, HARDENED_SERVICE} from './systemd-hardening.ts'

export interface RegistryServiceValues {
  readonly name: string
  /** Where its files are, as an absolute path. */
  readonly directory: string
  /** `host:port` of each replica: all of one host. */
  readonly replicas: readonly string[]
  /** `host:port`; what it remembers of blobs must be forgotten with them. */
  readonly redis?: string | undefined
}

/** A unit for each replica, by its port: `systemctl enable --now NAME-registry@5000`. @throws {HoldfastError} CONFIGURATION */
export function renderRegistryUnit({name, directory, replicas}: RegistryServiceValues): string {
  for (const text of [name, directory, ...replicas]) assertPlain('a value', text.replaceAll('%', ''))
  const host = replicas[0]?.replace(/:[0-9]+$/, '') ?? '127.0.0.1'
  return `[Unit]
Description=Registry ${name}, the replica on port %i
After=network-online.target
Wants=network-online.target

[Service]
Environment=REGISTRY_HTTP_ADDR=${host}:%i
# The AWS SDK of the registry ends at its start where this is set.
UnsetEnvironment=AWS_CA_BUNDLE
# It holds secrets: systemd reads it, and shows it to the registry alone.
LoadCredential=config.yml:${directory}/current.yml
ExecStart=/usr/bin/env docker-registry serve \${CREDENTIALS_DIRECTORY}/config.yml
Restart=always
RestartSec=1
DynamicUser=yes
${HARDENED_SERVICE}

[Install]
WantedBy=multi-user.target
`
}

/** A unit that clears, and when. @throws {HoldfastError} CONFIGURATION */
export function renderGarbageCollectUnits({name, directory}: RegistryServiceValues): {readonly service: string; readonly timer: string} {
  for (const text of [name, directory]) assertPlain('a value', text.replaceAll('%', ''))
  return {
    service: `[Unit]
Description=Clear the registry ${name} of what no manifest names

[Service]
Type=oneshot
UnsetEnvironment=AWS_CA_BUNDLE
ExecStart=/bin/bash ${directory}/garbage-collect.sh
ReadWritePaths=${directory}
${HARDENED_ROOT_JOB}
`,
    timer: `[Unit]
Description=Clear the registry ${name} of what no manifest names, at night

[Timer]
OnCalendar=Sun 03:00
RandomizedDelaySec=30min
Persistent=true

[Install]
WantedBy=timers.target
`,
  }
}

/**
 * The script: nothing may be pushed while it looks for what is not named any more, so the replicas take nothing meanwhile; they are restarted one after the other, and go on
 * serving. @throws {HoldfastError} CONFIGURATION
 */
export function renderGarbageCollectScript({name, directory, replicas, redis}: RegistryServiceValues): string {
  for (const text of [name, directory, ...replicas, ...(redis === undefined ? [] : [redis])]) assertPlain('a value', text)
  const [redisHost, redisPort] = redis?.split(/:(?=[0-9]+$)/) ?? []
  return `#!/bin/bash
# Clears the registry ${name} of what no manifest names. Pulls go on; pushes are refused meanwhile (405).
# RESTART is what restarts a replica, by its port; REDISCLI_AUTH is the password of Redis, where it has one.
set -euo pipefail
cd "${directory}"
# The AWS SDK of the registry ends at its start where this is set.
unset AWS_CA_BUNDLE
restart=(\${RESTART:-systemctl restart})

answers() { (exec 3<>"/dev/tcp/\${1%:*}/\${1##*:}") 2>/dev/null; }

# One replica after the other, each when the one before answers again and nginx has seen it: it leaves one that did not answer alone for a second or two.
roll() {
  ln -sfn "$1" current.yml
  for replica in ${replicas.map((replica) => `"${replica}"`).join(' ')}; do
    "\${restart[@]}" "${name}-registry@\${replica##*:}"
    for _ in $(seq 100); do answers "$replica" && sleep 3 && continue 2; sleep 0.1; done
    echo "the replica $replica does not come back; the others go on" >&2
    exit 1
  done
}

trap 'roll config.yml' EXIT
roll config-readonly.yml
# Uploads that began before end by themselves.
sleep "\${GRACE_SECONDS:-30}"
docker-registry garbage-collect config-readonly.yml
${redis === undefined ? '' : `# What it remembers of blobs that are gone would be believed.\nredis-cli -h "${redisHost}" -p "${redisPort}" -n 0 flushdb\n`}`
}
