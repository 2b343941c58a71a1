/** What may be shown of things that can hold secrets. */

/** A URL for messages and logs: no user info, no fragment, and the names of query parameters without their values (signed URLs carry secrets there). */
export function redactUrl(url: URL): string {
  const names = [...new Set(url.searchParams.keys())].map((name) => `${encodeURIComponent(name)}=***`)
  return `${url.protocol}//${url.host}${url.pathname}${names.length === 0 ? '' : `?${names.join('&')}`}`
}

/** Text that a server sent, for messages: one line, printable (no terminal escapes), at most `maxCharacters`. */
export function printable(text: string, maxCharacters = 300): string {
  const line = text.replace(/[\p{C}\p{Z}]+/gu, ' ').trim()
  return line.length <= maxCharacters ? line : `${line.slice(0, maxCharacters - 1)}…`
}

/** Text from elsewhere with `***` for every secret in it, as it is or percent-encoded: some servers repeat what they were sent. */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .flatMap((secret) => [secret, encodeURIComponent(secret)])
    .filter((secret) => secret !== '')
    .reduce((masked, secret) => masked.replaceAll(secret, '***'), text)
}
