/** Tags that are no versions of an image but carry what belongs to one: they would drown the others in a list. */
import {type Digest, isDigest} from '../oci/digest.ts'
import type {Tag} from '../oci/reference.ts'

/** `referrers`: the list of what refers to a manifest, in registries without the referrers API. The others are cosign's, with one kind of attachment each. */
type AttachmentKind = 'referrers' | 'signature' | 'attestation' | 'sbom'

export interface Attachment {
  readonly kind: AttachmentKind
  /** What it is attached to; undefined for a SHA-512, which does not fit into a tag of the referrers schema. */
  readonly subject: Digest | undefined
}

const KINDS: Readonly<Record<string, AttachmentKind>> = {'': 'referrers', '.sig': 'signature', '.att': 'attestation', '.sbom': 'sbom'}
/** The hex part of a digest is cut to 64 characters in a tag. */
const ATTACHMENT_TAG = /^(sha256|sha512)-([0-9a-f]{64})(\.sig|\.att|\.sbom)?$/

/**
 * Reads a tag that names an attachment, as `sha256-<hex>` and `sha256-<hex>.sig` do; undefined for the tag of an image.
 * @see distribution-spec 1.1 §Referrers Tag Schema; cosign's signature specification, §Tag-based Discovery
 */
export function parseAttachmentTag(tag: Tag): Attachment | undefined {
  const [, algorithm, hex, suffix = ''] = ATTACHMENT_TAG.exec(tag) ?? []
  const kind = KINDS[suffix]
  if (algorithm === undefined || hex === undefined || kind === undefined) return undefined
  const subject = `${algorithm}:${hex}`
  return {kind, subject: isDigest(subject) ? subject : undefined}
}
