/** What takes from a unit of systemd all that a registry or a mirror does not need: `systemd-analyze security` judges it. */

/** For every unit. Programs may write executable memory, as Node's compiler does, and find /proc as it is, where Go and Node read limits. */
const COMMON = `AmbientCapabilities=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallErrorNumber=EPERM
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
UMask=0077`

/** For a service that runs as a user of its own. */
export const HARDENED_SERVICE = `CapabilityBoundingSet=
PrivateUsers=yes
ProtectHome=yes
ProtectProc=invisible
${COMMON}`

/** For a job of root that reads the files of others, and asks systemd to restart services. */
export const HARDENED_ROOT_JOB = `CapabilityBoundingSet=CAP_DAC_OVERRIDE
ProtectHome=read-only
${COMMON}`
