/** Secrets in the operating system's keychain: Secret Service, macOS Keychain, Windows Credential Manager. */

import {type ErrorCode, HoldfastError} from '../../core/errors.ts'
import {Secret} from '../../core/secret.ts'
import type {LoginKey} from '../../records/store.ts'
import type {SecretStore} from '../secret-store.ts'
import {ItemError, type ItemFailure, type ItemStore} from './item-store.ts'
import {createSplitItems} from './split-items.ts'

/** 2,560 bytes by its documentation. */
const WINDOWS_MAX_ITEM_BYTES = 2_560
/** The others were seen to take a mebibyte; no token is that long. */
const MAX_ITEM_BYTES = 512 * 1024

const NAMES: Readonly<Partial<Record<NodeJS.Platform, string>>> = {darwin: 'macOS Keychain', win32: 'Windows Credential Manager'}

const CODES: Readonly<Record<ItemFailure, ErrorCode>> = {
  unavailable: 'KEYCHAIN_UNAVAILABLE',
  locked: 'KEYCHAIN_LOCKED',
  timeout: 'KEYCHAIN_TIMEOUT',
}

/** The way out where nobody can open a keychain. */
const CI_HINT = 'export HOLDFAST_AUTH_<HOST>_USERNAME=… HOLDFAST_AUTH_<HOST>_PASSWORD=…   # nothing is stored: docs/credentials.md'

const HINTS: Readonly<Record<ItemFailure, Readonly<Partial<Record<NodeJS.Platform, string>>>>> = {
  unavailable: {linux: 'apt-get install gnome-keyring dbus-user-session   # then log in again; kwallet and KeePassXC do as well'},
  locked: {
    linux: 'gnome-keyring-daemon --replace --unlock   # reads the password from standard input',
    darwin: 'security unlock-keychain',
  },
  timeout: {
    linux: 'HOLDFAST_KEYCHAIN_TIMEOUT=60 holdfast …   # time to answer its dialog',
    darwin: 'HOLDFAST_KEYCHAIN_TIMEOUT=60 holdfast …   # time to answer its dialog',
  },
}

/** Makes the store over a platform's items. */
export function createKeychain(rawItems: ItemStore, platform: NodeJS.Platform): SecretStore {
  const name = NAMES[platform] ?? 'Secret Service'
  const items = createSplitItems(rawItems, platform === 'win32' ? WINDOWS_MAX_ITEM_BYTES : MAX_ITEM_BYTES)
  const attempt = async <T>(verb: string, use: () => Promise<T>): Promise<T> => {
    try {
      return await use()
    } catch (cause) {
      if (!(cause instanceof ItemError)) throw cause
      const {failure, message} = cause
      const hint = HINTS[failure][platform]
      throw new HoldfastError(CODES[failure], `cannot ${verb} "${name}": ${message}`, {
        hints: hint === undefined ? [CI_HINT] : [hint, CI_HINT],
        details: {keychain: name},
      })
    }
  }
  return {
    name,
    async readSecret(key) {
      const value = await attempt('read from', () => items.readItem(itemName(key)))
      return value === undefined ? undefined : new Secret(value.toString('utf8'))
    },
    writeSecret: (key, secret) => attempt('write to', () => items.writeItem(itemName(key), Buffer.from(secret.reveal()))),
    deleteSecret: (key) => attempt('delete from', () => items.deleteItem(itemName(key))),
  }
}

/** As it is shown by the keychain's own program: `https://account@host/prefix`. */
function itemName({registry, pathPrefix, account}: LoginKey): string {
  return `https://${encodeURIComponent(account)}@${registry}${pathPrefix === undefined ? '' : `/${pathPrefix}`}`
}
