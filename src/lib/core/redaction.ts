/** What may be shown of things that can hold secrets. */

/** A URL for messages and logs: no user info, no fragment, and the names of query parameters without their values (signed URLs carry secrets there). */
export function redactUrl(url: URL): string {
  const names = [...new Set(url.searchParams.keys())].map((name) => `${encodeURIComponent(name)}=***`)
  return `${url.protocol}//${url.host}${url.pathname}${names.length === 0 ? '' : `?${names.join('&')}`}`
}

/** The beginning of what a server or a program said, for a sentence of ours: white space, line breaks too, as single spaces. What a terminal would obey is still in it. */
export function excerpt(text: string, maxCharacters = 300): string {
  return shorten(text.replace(/\s+/g, ' ').trim(), maxCharacters)
}

/** The beginning of a text: at most `maxCharacters` UTF-16 units, the last of them `…` where something is missing. */
export function shorten(text: string, maxCharacters: number): string {
  return text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

/** Text from elsewhere with `***` for every secret in it, as it is or percent-encoded: some servers repeat what they were sent. */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .flatMap((secret) => [secret, encodeURIComponent(secret)])
    .filter((secret) => secret !== '')
    .reduce((masked, secret) => masked.replaceAll(secret, '***'), text)
}
