/** The mirror that HOLDFAST_MIRROR names, as a place to heal from. */
import type {HealDependencies} from '../caching/heal.ts'
import {DOCKER_HUB, type Reference} from '../oci/reference.ts'
import type {Context} from './context.ts'
import {inMirror} from './mirror-values.ts'

/** Returns what finds an image in that mirror; undefined where none is named. A mirror of another kind knows Docker Hub alone, and that by no name. */
export function mirrorPlaces(context: Context): HealDependencies['findInMirror'] {
  const {mirror} = context.settings
  if (mirror === undefined) return undefined
  return async (reference) => {
    const [{findEndpoint}, records] = await Promise.all([import('../registries/find.ts'), context.records()])
    const {endpoint} = await findEndpoint(records, mirror)
    const store = await context.openRegistry(endpoint)
    const names = [inMirror(reference, endpoint.registry), ...(reference.registry === DOCKER_HUB ? [reference] : [])]
    return names.map((name): {store: typeof store; reference: Reference} => ({store, reference: {...name, registry: endpoint.registry}}))
  }
}
