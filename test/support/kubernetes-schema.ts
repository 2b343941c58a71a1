/** The JSON schemas of the Kubernetes API, as kubernetes-models compiles them: an object must follow them, and have no field that they do not know. */
import assert from 'node:assert/strict'

const SCHEMAS: Readonly<Record<string, () => Promise<{readonly validate: unknown}>>> = {
  'v1 ConfigMap': () => import('kubernetes-models/_schemas/IoK8sApiCoreV1ConfigMap'),
  'v1 Service': () => import('kubernetes-models/_schemas/IoK8sApiCoreV1Service'),
  'apps/v1 Deployment': () => import('kubernetes-models/_schemas/IoK8sApiAppsV1Deployment'),
  'apps/v1 StatefulSet': () => import('kubernetes-models/_schemas/IoK8sApiAppsV1StatefulSet'),
  'networking.k8s.io/v1 NetworkPolicy': () => import('kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy'),
  'policy/v1 PodDisruptionBudget': () => import('kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget'),
}

interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
}

interface Validate {
  (data: unknown): boolean
  readonly errors?: readonly object[] | null
}

/** @throws {AssertionError} with what the schema of its kind says of an object. */
export async function assertKubernetesObject(object: KubernetesObject): Promise<void> {
  const kind = `${object.apiVersion} ${object.kind}`
  const schema = await SCHEMAS[kind]?.()
  assert.ok(schema !== undefined, `there is no schema of ${kind} here`)
  const validate = schema.validate as Validate
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
