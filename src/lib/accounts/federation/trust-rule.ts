/** Whom of elsewhere the collector lets in without a password: a job of a CI system, by the identity token that it has of its own issuer. */
import {HoldfastError} from '../../core/errors.ts'
import {globExpression} from '../../core/glob.ts'
import type {Mismatch} from './mismatch.ts'

export interface TrustRule {
  readonly name: string
  /** As the token's `iss` has it; its keys are found from there. */
  readonly issuer: string
  /** As the token's `aud` has it: who asks for the token at the issuer names it. */
  readonly audience: string
  /** Claims that the token must have; `*` stands for any text without a `/` or `:`, `**` for any. */
  readonly claims: Readonly<Record<string, string>>
  /** Who the job is here: a user's name, or `NAME@service`. */
  readonly account: string
}

/**
 * Checks a rule that was declared.
 * @throws {HoldfastError} CONFIGURATION when it would let in everybody whom the issuer knows.
 */
export function checkRule(rule: TrustRule): TrustRule {
  const refuse = (reason: string): never => {
    throw new HoldfastError('CONFIGURATION', `cannot trust rule "${rule.name}": ${reason}`, {
      hints: ['claims: {sub: "repo:acme/shop:ref:refs/heads/main"}'],
    })
  }
  const patterns = Object.values(rule.claims)
  if (patterns.length === 0) refuse('without claims everybody at the issuer could come')
  if (patterns.every((pattern) => /^\*+$/.test(pattern))) refuse('a claim that may be anything says nothing')
  if (!hasSafeIssuer(rule.issuer)) refuse('its issuer must be https')
  return rule
}

/** Whether the keys of an issuer come over a line that nobody changes: https, or this machine. */
export function hasSafeIssuer(issuer: string): boolean {
  const {protocol, hostname} = new URL(issuer)
  return protocol === 'https:' || (protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname))
}

/** Returns the first claim of a verified token that is not as the rule has it; undefined when all are. */
export function mismatchOf({claims}: TrustRule, given: Readonly<Record<string, unknown>>): Mismatch | undefined {
  for (const [claim, pattern] of Object.entries(claims)) {
    const seen = Object.hasOwn(given, claim) ? given[claim] : undefined
    const isText = typeof seen === 'string' || typeof seen === 'boolean' || typeof seen === 'number'
    if (!isText || !globExpression(pattern, '/:').test(String(seen))) return {kind: 'mismatch', claim, expected: pattern, seen}
  }
  return undefined
}
