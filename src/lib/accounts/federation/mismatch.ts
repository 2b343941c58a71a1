/** A claim that is not as it must be. */
export interface Mismatch {
  readonly kind: 'mismatch'
  readonly claim: string
  readonly expected: string
  readonly seen: unknown
}
