/** Repositories of managed registries, opened with tokens that the collector signs itself; those of the embedded registry are worked on where they lie. */
import {repositoryScope} from '../auth/scope.ts'
import type {ManagedRepository, RegistryTag} from '../collector/managed-repository.ts'
import {EMBEDDED_REGISTRY, type ManagedRegistry} from '../collector/objects.ts'
import {createMint} from '../collector/own-tokens.ts'
import type {SweeperOptions} from '../collector/sweeper.ts'
import type {ContentStore} from '../content/store.ts'
import type {AddressPolicy} from '../core/address-policy.ts'
import {hasCode} from '../core/errors.ts'
import type {Digest} from '../oci/digest.ts'
import {childManifests, parseManifest} from '../oci/manifest.ts'
import type {RepositoryName, Tag} from '../oci/reference.ts'
import {deleteTag} from '../tags/delete-tag.ts'
import {createDeletionJournal} from '../tags/deletion-journal.ts'
import {listTags, sizesOfImages} from '../tags/list-tags.ts'
import type {Context} from './context.ts'
import {tagDeletions} from './data-directory.ts'
import {endpointOf} from './sweep-source.ts'

/** Users wait for it: a registry that asks to slow down is not waited for longer. */
const RATE_LIMIT_WAIT_MS = 10_000

interface OwnRights extends Pick<SweeperOptions, 'keys' | 'issuer' | 'now'> {
  /** Judges every address that a registry leads to. */
  readonly mayConnect: AddressPolicy
}

export async function openManagedRepository(
  context: Context,
  registry: ManagedRegistry,
  repository: RepositoryName,
  own: OwnRights,
): Promise<ManagedRepository> {
  const [host, store] = await Promise.all([hostOf(context, registry), openStore(context, registry, own)])
  const {signal} = context
  const journal = createDeletionJournal(tagDeletions(context.dataDirectory))
  const recordGone = async (digest: Digest): Promise<void> => {
    const {recordRemoval} = await import('./removed-images.ts')
    await recordRemoval({registry: host, repository, digest}, context)
  }
  const platformsOf = async (digest: Digest): Promise<readonly Digest[]> => {
    try {
      const raw = await store.readManifest(repository, digest, {signal})
      const manifest = raw === undefined ? undefined : parseManifest(raw)
      return manifest?.kind === 'index' ? childManifests(manifest).map((child) => child.digest) : []
    } catch (error) {
      // What cannot be read can still be deleted.
      if (hasCode(error, 'INVALID_MANIFEST', 'INTEGRITY', 'UNSUPPORTED')) return []
      throw error
    }
  }
  return {
    async listTags() {
      // The sizes are another question, of two requests for each image.
      const {tags} = await listTags({registry: host, repository}, store, {signal, withSizes: false})
      return tags.map(({tag, digest, siblings}): RegistryTag => ({tag, digest, siblings}))
    },
    sizesOf: (digests) => sizesOfImages({registry: host, repository}, digests, store, {signal}),
    async deleteTag(tag: Tag, {includeSiblings}) {
      const {digest, manifestDeleted, siblings} = await deleteTag({registry: host, repository, tag}, store, {
        signal,
        journal,
        mayDelete: async () => includeSiblings,
      })
      if (manifestDeleted) await recordGone(digest)
      return {digest, manifestDeleted, siblings}
    },
    async deleteImage(digest) {
      const platforms = await platformsOf(digest)
      // The image goes first: one that has lost a platform cannot be pulled, and would still be listed.
      for (const one of [digest, ...platforms]) {
        await store.deleteManifest(repository, one, {signal})
        await recordGone(one)
      }
    },
  }
}

async function hostOf(context: Context, {name, url}: ManagedRegistry) {
  if (name === EMBEDDED_REGISTRY) return await context.embeddedRegistry()
  const {parseRegistryUrl} = await import('../registries/registry-url.ts')
  return parseRegistryUrl(url).host
}

async function openStore(context: Context, registry: ManagedRegistry, own: OwnRights): Promise<ContentStore> {
  if (registry.name === EMBEDDED_REGISTRY) return await context.openEmbedded()
  const [{createRemoteStore}, endpoint, openHttp] = await Promise.all([
    import('../content/remote/store.ts'),
    endpointOf(context, registry),
    context.httpClients(own.mayConnect),
  ])
  const mint = createMint(registry, own)
  return createRemoteStore({
    endpoint,
    http: openHttp(endpoint),
    // Nothing that the registry says of realms is followed: the collector is the authority.
    credentials: async (_host, repository) => ({
      kind: 'registry-token',
      token: await mint(repository === undefined ? [] : [repositoryScope(repository, 'pull', 'push', 'delete')]),
    }),
    rateLimitWaitMs: RATE_LIMIT_WAIT_MS,
  })
}
