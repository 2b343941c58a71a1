/** What may be shown of things that can hold secrets. */
import {maskDistinctSecrets, maskSecrets} from './known-secrets.ts'

/** A URL for messages and logs: no user info, no fragment, and the names of query parameters without their values (signed URLs carry secrets there). */
export function redactUrl(url: URL): string {
  const names = [...new Set(url.searchParams.keys())].map((name) => `${encodeURIComponent(name)}=***`)
  return maskSecrets(`${url.protocol}//${url.host}${url.pathname}${names.length === 0 ? '' : `?${names.join('&')}`}`)
}

/**
 * The beginning of what a server or a program said, for a sentence of ours: white space, line breaks too, as single spaces, and no secret of ours. What a terminal
 * would obey is still in it.
 */
export function excerpt(text: string, maxCharacters = 300): string {
  // Masked before it is cut: half a secret would not be found.
  return shorten(maskSecrets(withoutQueries(text)).replace(/\s+/g, ' ').trim(), maxCharacters)
}

/** The beginning of a text: at most `maxCharacters` UTF-16 units, the last of them `…` where something is missing. */
export function shorten(text: string, maxCharacters: number): string {
  return text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

/** Text of ours, for messages and logs: URLs in it lose their user info and the values of their queries, and secrets become `***`. */
export function redactText(text: string): string {
  return maskDistinctSecrets(withoutQueries(text))
}

/** The same for everything in a JSON value. */
export function redactValue<T>(value: T): T
export function redactValue(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value)
  if (Array.isArray(value)) return value.map((item: unknown) => redactValue(item))
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, redactValue(item)]))
}

/** User info and the values of queries in whatever URLs a text has; the rest of it stays as it is. */
function withoutQueries(text: string): string {
  return text.replace(
    /\b(https?:\/\/)(?:[^\s/"'<>@]*@)?([^\s"'<>)?]*)(\?[^\s"'<>)]*)?/gi,
    (_, scheme: string, rest: string, query: string | undefined) => {
      const names = query === undefined ? '' : query.replace(/=[^&;]*/g, '=***')
      return `${scheme}${rest}${names}`
    },
  )
}
