/** Reading answers of a foundation, which are not ours to trust: a field is what it should be, or not there. */
import {HoldfastError} from '../core/errors.ts'

/** The value below these names; undefined where a step is missing. */
export function valueAt(json: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined), json)
}

export function textAt(json: unknown, ...path: readonly string[]): string | undefined {
  const value = valueAt(json, ...path)
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** @throws {HoldfastError} REGISTRY_UNAVAILABLE when it is not there. */
export function requireText(purpose: string, json: unknown, ...path: readonly string[]): string {
  const text = textAt(json, ...path)
  if (text !== undefined) return text
  throw new HoldfastError('REGISTRY_UNAVAILABLE', `cannot ${purpose}: the answer has no ${path.join('.')}, as a Cloud Controller’s would`)
}

/** The texts of an object at a path, by name; what is not a text is omitted. */
export function textsAt(json: unknown, ...path: readonly string[]): Readonly<Record<string, string>> {
  const entries = Object.entries(Object(valueAt(json, ...path)))
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

/** The annotations of anything that has some. */
export function annotationsAt(json: unknown): Readonly<Record<string, string>> {
  return textsAt(json, 'metadata', 'annotations')
}
