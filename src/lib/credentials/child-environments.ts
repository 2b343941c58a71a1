/** What other programs that work with credentials get of the environment. */

export type Environment = Readonly<Record<string, string | undefined>>

/** Everything that this program reads by itself begins with this, its secrets among it. A variable that is added later is thereby held back, too. */
const OWN_PREFIX = 'HOLDFAST_'

/** Where the keychain, its session and the home directory are, and how texts are to be read. */
const KEYCHAIN_VARIABLES: ReadonlySet<string> = new Set([
  'DBUS_SESSION_BUS_ADDRESS',
  'DISPLAY',
  'HOME',
  'LANG',
  'LOGNAME',
  'PATH',
  'TMPDIR',
  'TZ',
  'USER',
  'WAYLAND_DISPLAY',
  'XAUTHORITY',
  'XDG_CACHE_HOME',
  'XDG_CONFIG_HOME',
  'XDG_CURRENT_DESKTOP',
  'XDG_DATA_HOME',
  'XDG_RUNTIME_DIR',
  'XDG_SESSION_ID',
  'XDG_SESSION_TYPE',
  // macOS
  '__CF_USER_TEXT_ENCODING',
  // Windows, whose variables have no case
  'APPDATA',
  'LOCALAPPDATA',
  'PROGRAMDATA',
  'SYSTEMDRIVE',
  'SYSTEMROOT',
  'TEMP',
  'TMP',
  'USERDOMAIN',
  'USERNAME',
  'USERPROFILE',
  'WINDIR',
])

/** For the process that talks to the keychain: it needs to find it, and no more. */
export function keychainEnvironment(environment: Environment): Environment {
  return filter(environment, (name) => KEYCHAIN_VARIABLES.has(name.toUpperCase()) || name.startsWith('LC_'))
}

/** For credential helpers, which read the variables of their cloud, and for docker, podman and skopeo: everything but ours. */
export function foreignProgramEnvironment(environment: Environment): Environment {
  return filter(environment, (name) => !name.toUpperCase().startsWith(OWN_PREFIX))
}

function filter(environment: Environment, isGiven: (name: string) => boolean): Environment {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => isGiven(name)))
}
