/** Labels and annotations of the fake foundation, which packages, droplets and apps have (API v3, metadata). */
import {unprocessable} from './errors.ts'
import {type Metadata, noMetadata, type Package} from './state.ts'

const MAX_ANNOTATION = 5000
const MAX_LABEL = 63

/** What a request that makes something says of its metadata. */
export function metadataIn(body: object): Metadata {
  const metadata = noMetadata()
  changeMetadata(metadata, body)
  return metadata
}

export function changeMetadata(target: Metadata, body: object): void {
  const metadata = Object(Reflect.get(body, 'metadata'))
  merge(target.annotations, Reflect.get(metadata, 'annotations'), MAX_ANNOTATION)
  merge(target.labels, Reflect.get(metadata, 'labels'), MAX_LABEL)
}

/** Credentials of a package, since 2023-10; what was built of it keeps the old ones. */
export function changePackage(target: Package, body: object): void {
  changeMetadata(target.metadata, body)
  const [username, password]: unknown[] = [Reflect.get(body, 'username'), Reflect.get(body, 'password')]
  if (typeof username === 'string' && typeof password === 'string') target.credentials = {username, password}
}

function merge(target: Map<string, string>, changes: unknown, longest: number): void {
  for (const [name, value] of Object.entries(Object(changes))) {
    if (value === null) target.delete(name)
    else if (typeof value !== 'string' || value.length > longest || !/^(?:[\w.-]{1,253}\/)?[\w.-]{1,63}$/.test(name))
      throw unprocessable(`Metadata key '${name}' is invalid`)
    else target.set(name, value)
  }
}
