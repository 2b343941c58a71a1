/** Which tags are meant: those that were named, or those that are chosen from a list. */
import {HoldfastError} from '../core/errors.ts'
import {escapeText, text} from '../core/terminal-text.ts'
import {parseNamed} from '../oci/reference.ts'
import type {TagReference} from '../tags/delete-tag.ts'
import type {Context, SourceAccess} from './context.ts'
import type {Prompts} from './prompts.ts'

/**
 * The tags of these references, each once; for a reference without a tag those that are chosen on the terminal.
 * @throws {HoldfastError} USAGE for a digest; INPUT_REQUIRED without a terminal; REPOSITORY_NOT_FOUND when there is nothing to choose from.
 */
export async function chooseTags(
  texts: readonly string[],
  context: Context,
  access: SourceAccess,
  prompts: Prompts,
): Promise<readonly TagReference[]> {
  const chosen = new Map<string, TagReference>()
  for (const given of texts) {
    const {registry, repository, tag, digest} = parseNamed(given)
    if (digest !== undefined) {
      throw new HoldfastError('USAGE', `cannot delete "${given}": it names a digest, not a tag`, {
        hints: [`holdfast tag list ${registry}/${repository}`],
      })
    }
    const tags = tag === undefined ? await ask({registry, repository}, context, access, prompts) : [tag]
    for (const one of tags) chosen.set(`${registry}/${repository}:${one}`, {registry, repository, tag: one})
  }
  return [...chosen.values()]
}

/** More tags than these are not offered: they would be looked up first, and a terminal shows a few. */
const MAX_CHOICES = 500

async function ask(
  repository: Omit<TagReference, 'tag'>,
  context: Context,
  access: SourceAccess,
  prompts: Prompts,
): Promise<readonly TagReference['tag'][]> {
  const name = `${repository.registry}/${repository.repository}`
  const question = {message: text`Which tags of ${name}?`, flag: `holdfast tag delete ${name}:TAG`}
  if (!prompts.isInteractive) return prompts.choose({...question, choices: []})
  const [{listTags}, {describeTags}, store] = await Promise.all([
    import('../tags/list-tags.ts'),
    import('./tag-report.ts'),
    context.openRepository(repository, access),
  ])
  const {tags} = await listTags(repository, store, {signal: context.signal, limit: MAX_CHOICES})
  if (tags.length === 0) throw new HoldfastError('REPOSITORY_NOT_FOUND', `cannot choose tags of "${name}": it has none`)
  const [, ...rows] = describeTags(tags)
  return prompts.choose({...question, choices: tags.map(({tag}, position) => ({name: rows[position] ?? escapeText(tag), value: tag}))})
}
