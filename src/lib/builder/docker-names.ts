/**
 * An image's name as the builder takes it apart, without judging it: the last colon that no slash follows begins the tag, and a first part with a dot or a colon, or `localhost`, is a
 * registry (dockerapplifecycle, `helpers.ParseDockerRef`). What it prints and what it writes of an image that it does not cache is made of these parts.
 */

export interface DockerNames {
  /** Of messages; with the registry in the first generation. */
  readonly repository: string
  readonly tag: string
  /** `[registry/]repository:tag`, without Docker Hub's registry. */
  readonly image: string
}

/** @param isFirstGeneration before August 2015: no registry is told apart, and no `library/` added. */
export function dockerNames(dockerRef: string, isFirstGeneration: boolean): DockerNames {
  const [, remote = dockerRef, tag = ''] = /^([\s\S]*):([^/:]*)$/.exec(dockerRef) ?? []
  const shownTag = tag === '' ? 'latest' : tag
  if (isFirstGeneration) return {repository: remote, tag: shownTag, image: `${remote}:${shownTag}`}
  const [first = '', ...rest] = remote.split('/')
  const hasRegistry = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')
  const named = hasRegistry ? rest.join('/') : remote
  const repository = hasRegistry || named.includes('/') ? named : `library/${named}`
  return {repository, tag: shownTag, image: `${hasRegistry ? `${first}/` : ''}${repository}:${shownTag}`}
}
