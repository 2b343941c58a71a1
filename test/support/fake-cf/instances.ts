/** What the cells of the fake foundation do: an instance that starts pulls its droplet's image, with the credentials that were frozen on the droplet when it was staged. */

export interface ImageCredentials {
  readonly username: string
  readonly password: string
}

export interface Instance {
  readonly index: number
  readonly state: 'RUNNING' | 'STARTING' | 'CRASHED'
  readonly image: string
  /** What the registry answered for the image when this instance started. */
  readonly digest?: string
  readonly reason?: string
}

const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

/** Asks a registry on this machine for the digest of an image, as nobody or by HTTP Basic or a token of its endpoint. @throws {Error} saying why it cannot be pulled. */
export async function resolveImage(image: string, credentials: ImageCredentials | undefined): Promise<string> {
  const [, host, repository, reference] = /^([^/]+)\/(.+?)(?:@(sha256:[0-9a-f]+)|:([\w.-]+))?$/.exec(image) ?? []
  const wanted = /@(sha256:[0-9a-f]{64})$/.exec(image)?.[1] ?? /:([\w.-]+)$/.exec(image.slice(image.indexOf('/')))?.[1] ?? 'latest'
  if (host === undefined || repository === undefined) throw new Error(`invalid image ${image}${reference ?? ''}`)
  const url = `http://${host}/v2/${repository}/manifests/${wanted}`
  const basic =
    credentials === undefined ? undefined : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
  const ask = (authorization: string | undefined): Promise<Response> =>
    fetch(url, {method: 'HEAD', headers: {accept: ACCEPT, ...(authorization === undefined ? {} : {authorization})}})
  let answer = await ask(undefined)
  if (answer.status === 401) {
    const challenge = answer.headers.get('www-authenticate') ?? ''
    answer = await ask(/^bearer/i.test(challenge) ? await tokenFor(challenge, repository, basic) : basic)
  }
  const digest = answer.headers.get('docker-content-digest')
  if (answer.status === 200 && digest !== null) return digest
  throw new Error(`failed to fetch metadata from [${repository}] with tag [${wanted}]: ${answer.status}`)
}

async function tokenFor(challenge: string, repository: string, basic: string | undefined): Promise<string> {
  const parameter = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? ''
  const url = new URL(parameter('realm'))
  url.searchParams.set('service', parameter('service'))
  url.searchParams.set('scope', `repository:${repository}:pull`)
  const answer = await fetch(url, basic === undefined ? {} : {headers: {authorization: basic}})
  const {token} = (await answer.json()) as {token?: string}
  return `Bearer ${token ?? ''}`
}
