/** A value that must not be seen by accident. */
import {inspect} from 'node:util'

const MASK = '***'

/** Holds a secret; printing, interpolating, serialising or inspecting it shows `***`. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The secret itself; call it where the bytes go onto the wire and nowhere else. */
  reveal(): string {
    return this.#value
  }

  toString(): string {
    return MASK
  }

  toJSON(): string {
    return MASK
  }

  [inspect.custom](): string {
    return MASK
  }
}
