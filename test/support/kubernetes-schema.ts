/** The JSON schemas of the Kubernetes API, as kubernetes-models compiles them: an object must follow them, and have no field that they do not know. */
import assert from 'node:assert/strict'

export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
}

interface Validate {
  (data: unknown): boolean
  readonly errors?: readonly {readonly instancePath: string; readonly message?: string}[] | null
}

/** @throws {AssertionError} with what the schema of its kind says of an object. */
export async function assertKubernetesObject(object: KubernetesObject): Promise<void> {
  const {apiVersion, kind} = object
  // `networking.k8s.io/v1` is IoK8sApiNetworkingV1 there, and `v1` IoK8sApiCoreV1.
  const [version = '', group = 'core'] = apiVersion.split('/').toReversed()
  const name = ['io-k8s-api', group.split('.', 1)[0], version, kind]
    .join('-')
    .replaceAll(/(?:^|-)(.)/g, (_, first: string) => first.toUpperCase())
  const {validate} = (await import(`kubernetes-models/_schemas/${name}`)) as {validate: Validate}
  const unread = new Set<string>()
  const isValid = validate(watched(object, '', unread))
  assert.ok(isValid, `${kind}: ${JSON.stringify(validate.errors)}`)
  assert.deepEqual([...unread], [], `fields that ${kind} does not have`)
}

/** A copy that notes the fields that nothing has read: a schema reads each one that it knows. */
function watched<Value>(value: Value, path: string, unread: Set<string>): Value {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item, index) => watched(item, `${path}[${index}]`, unread)) as Value
  const copy = {}
  for (const [name, inner] of Object.entries(value)) {
    const at = `${path}.${name}`
    unread.add(at)
    const kept = watched(inner, at, unread)
    Object.defineProperty(copy, name, {
      enumerable: true,
      get() {
        unread.delete(at)
        return kept
      },
    })
  }
  return copy as Value
}
