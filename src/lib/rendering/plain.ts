/** Values that mean themselves wherever they are written. */
import {HoldfastError} from '../core/errors.ts'

/** Nothing that ends a string, a directive or a line in nginx, YAML or a shell. */
const PLAIN = /^[A-Za-z0-9 ._~:/@%+,=[\]-]{1,1024}$/

/** @throws {HoldfastError} CONFIGURATION when the value has a character that could end what it stands in. */
export function assertPlain(name: string, value: string): void {
  if (PLAIN.test(value)) return
  throw new HoldfastError('CONFIGURATION', `cannot write a configuration: ${name} has characters that mean something there, or is empty`, {
    hints: ['letters, digits, spaces, and . _ ~ : / @ % + , = [ ] - are taken'],
    details: {name},
  })
}
