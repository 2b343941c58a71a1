/** `https://host[:port]` or `http://host[:port]`, and nothing behind it: no path, no credentials, nothing that means something in a configuration. */
export function isOrigin(text: string): boolean {
  return /^https?:\/\/[^/?#@\s"]+$/.test(text) && URL.canParse(text)
}
