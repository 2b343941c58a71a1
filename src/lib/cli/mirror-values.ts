/** What mirrors are told, checked; and how they call what they mirror. */
import {HoldfastError} from '../core/errors.ts'
import {
  formatReference,
  parseReference,
  parseRepositoryName,
  type Reference,
  type RegistryHost,
  type RepositoryName,
} from '../oci/reference.ts'
import {readsAsHost} from '../registries/registry-name.ts'
import {parseRegistryUrl} from '../registries/registry-url.ts'
import {apiUrlOf, type RenderedUpstream} from '../rendering/mirror-clients.ts'
import type {PinnedImage} from '../rendering/mirror-containers.ts'
import {isOrigin} from './origin.ts'

/** @throws {HoldfastError} USAGE for what is no https://host[:port]. */
export function parseMirrorUrl(text: string): string {
  const url = text.replace(/\/$/, '')
  if (isOrigin(url)) return url
  throw new HoldfastError('USAGE', `cannot render: "${text.slice(0, 200)}" is not https://host[:port]`, {
    hints: ['--url https://mirror.example.com'],
  })
}

/** An image that a container starts from: what a tag names may change before each start. @throws {HoldfastError} USAGE for one that no digest pins. */
export function parsePinnedImage(flag: '--image' | '--proxy-image', text: string | undefined, missingHint: string): PinnedImage {
  if (text === undefined) {
    throw new HoldfastError('USAGE', `cannot render: ${flag} is missing, the image that its container runs`, {hints: [missingHint]})
  }
  const wrong = (reason: string, hints: readonly string[], cause?: unknown): HoldfastError =>
    new HoldfastError('USAGE', `cannot render: ${flag} "${text.slice(0, 200)}" ${reason}`, {hints, ...(cause === undefined ? {} : {cause})})
  let reference: Reference
  try {
    reference = parseReference(text)
  } catch (cause) {
    throw wrong('is not the name of an image', [`${flag} registry.example.com/name@sha256:DIGEST`], cause)
  }
  if (isPinned(text)) return text
  throw wrong(
    'is not pinned by digest (NAME@sha256:…)',
    ['inspect', 'cache-image'].map((verb) => `holdfast ${verb} ${formatReference(reference)}`),
  )
}

function isPinned(text: string): text is PinnedImage {
  return /@sha256:[0-9a-f]{64}$/.test(text)
}

/**
 * Parses an upstream of a rendered mirror, which knows no registry that is declared here.
 * @throws {HoldfastError} USAGE, INVALID_REFERENCE for a text that is neither HOST[:PORT] nor a URL.
 */
export function parseUpstream(text: string): RenderedUpstream {
  if (!text.includes('://') && !readsAsHost(text)) {
    throw new HoldfastError('USAGE', `cannot render: the upstream "${text.slice(0, 200)}" is not HOST[:PORT]`, {
      hints: ['--upstream docker.io', 'holdfast registry list  # the host of a registry that is declared here'],
    })
  }
  const {host, scheme} = parseRegistryUrl(text)
  return {host, path: repositoryPathOf(host), apiUrl: apiUrlOf(host, scheme)}
}

/** `NAME=HOST:PORT`. @throws {HoldfastError} USAGE */
export function parseApplications(
  texts: readonly string[],
): readonly {readonly serverName: string; readonly addresses: readonly [string]}[] {
  return texts.map((text) => {
    const [, serverName, address] = /^([a-z0-9.-]+)=([^=\s]+:[0-9]{1,5})$/i.exec(text) ?? []
    if (serverName !== undefined && address !== undefined) return {serverName, addresses: [address]}
    throw new HoldfastError('USAGE', `cannot render: "${text.slice(0, 200)}" is no NAME=HOST:PORT`, {
      hints: ['--application registry.example.com=127.0.0.1:5050'],
    })
  })
}

/** A registry's host as a part of a repository's name (distribution-spec 1.1 §Pulling manifests: letters, digits, and one of . _ - between them). */
export function repositoryPathOf(host: string): RepositoryName {
  return parseRepositoryName(
    host
      .toLowerCase()
      .replace(/[^a-z0-9.-]+/g, '_')
      .replace(/^_+|_+$/g, ''),
  )
}

/** How a mirror calls an image of another registry. */
export function inMirror(reference: Reference, mirror: RegistryHost): Reference {
  if (reference.registry === mirror) return reference
  return {...reference, repository: parseRepositoryName(`${repositoryPathOf(reference.registry)}/${reference.repository}`)}
}
