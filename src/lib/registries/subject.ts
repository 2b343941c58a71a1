/** Which registry an operation is about, as far as messages and hints need to know. */
import type {RegistryHost} from '../oci/reference.ts'

export interface RegistrySubject {
  readonly host: RegistryHost
  /** Absent for a registry that is not declared. */
  readonly name?: string | undefined
}

/** The command that gives the registry those flags. */
export function settingHint({host, name}: RegistrySubject, flags: string): string {
  return name === undefined ? `holdfast registry add NAME ${host} ${flags}` : `holdfast registry update ${name} ${flags}`
}
