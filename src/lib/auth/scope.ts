/** Scopes of registry tokens: `type:name:action,action` (distribution's token scope grammar). */

/** What a token may do to one resource; actions are sorted and distinct. */
export interface Scope {
  readonly type: string
  /** May contain one `:`, as in `host:port/name`. */
  readonly name: string
  readonly actions: readonly string[]
}

/** The scope of a repository. */
export function repositoryScope(name: string, ...actions: readonly string[]): Scope {
  return {type: 'repository', name, actions: distinct(actions)}
}

/** What the catalog asks for. */
export const CATALOG_SCOPE: Scope = {type: 'registry', name: 'catalog', actions: ['*']}

/** Parses scopes separated by spaces; what is not `type:name:actions` is left out. */
export function parseScopes(text: string): readonly Scope[] {
  const scopes: Scope[] = []
  for (const part of text.split(' ')) {
    const first = part.indexOf(':')
    const last = part.lastIndexOf(':')
    if (first <= 0 || last <= first + 1) continue
    scopes.push({type: part.slice(0, first), name: part.slice(first + 1, last), actions: distinct(part.slice(last + 1).split(','))})
  }
  return mergeScopes(scopes)
}

/** Writes one scope as a token endpoint wants it. */
export function formatScope(scope: Scope): string {
  return `${scope.type}:${scope.name}:${scope.actions.join(',')}`
}

/** One scope for each resource, with the actions of all; sorted, so that equal sets are written alike. */
export function mergeScopes(...lists: readonly (readonly Scope[])[]): readonly Scope[] {
  const merged = new Map<string, Scope>()
  for (const scope of lists.flat()) {
    const key = `${scope.type}:${scope.name}`
    const known = merged.get(key)
    merged.set(key, known === undefined ? scope : {...known, actions: distinct([...known.actions, ...scope.actions])})
  }
  return [...merged.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, scope]) => scope)
}

/** Tells whether `held` allows everything that `wanted` asks for; the action `*` allows every action. */
export function coversScopes(held: readonly Scope[], wanted: readonly Scope[]): boolean {
  return wanted.every((want) =>
    want.actions.every((action) =>
      held.some(({type, name, actions}) => type === want.type && name === want.name && (actions.includes(action) || actions.includes('*'))),
    ),
  )
}

function distinct(actions: readonly string[]): readonly string[] {
  return [...new Set(actions.filter((action) => action !== ''))].sort()
}
