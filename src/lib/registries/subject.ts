/** Which registry an operation is about, as far as messages and hints need to know. */
import type {RegistryHost} from '../oci/reference.ts'

export interface RegistrySubject {
  readonly host: RegistryHost
  /** The name it has, or is to get. */
  readonly name?: string | undefined
  readonly isDeclared: boolean
}

/** The command that gives the registry those flags. */
export function settingHint({host, name = 'NAME', isDeclared}: RegistrySubject, flags: string): string {
  return isDeclared ? `holdfast registry update ${name} ${flags}` : `holdfast registry add ${name} ${host} ${flags}`
}
