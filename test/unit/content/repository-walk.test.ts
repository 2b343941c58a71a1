import assert from 'node:assert/strict'
import {mkdir, mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import fc from 'fast-check'
import {walkRepositories} from '../../../src/lib/content/filesystem/repositories.ts'

const RUNS = 60

async function walked(top: string, last?: string): Promise<readonly string[]> {
  const names: string[] = []
  for await (const {name} of walkRepositories(top, last)) names.push(name)
  return names
}

describe('the walk over repositories', () => {
  it('finds each once, in the order of their full names, and from any name on', async () => {
    const component = fc.constantFrom('a', 'a-b', 'a.b', 'a0', 'b', 'a_b')
    const name = fc.array(component, {minLength: 1, maxLength: 3}).map((parts) => parts.join('/'))
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(name, {maxLength: 8}), name, async (names, last) => {
        const top = await mkdtemp(join(tmpdir(), 'holdfast-walk-'))
        try {
          for (const each of names) await mkdir(join(top, each, '_layers'), {recursive: true})
          assert.deepEqual(await walked(top), [...names].sort())
          assert.deepEqual(await walked(top, last), names.filter((each) => each > last).sort())
        } finally {
          await rm(top, {recursive: true})
        }
      }),
      {numRuns: RUNS},
    )
  })

  it('passes over directories that no repository can have as a name', async () => {
    const top = await mkdtemp(join(tmpdir(), 'holdfast-walk-'))
    for (const name of ['Upper', 'ok', 'a..b', '_hidden/inside']) await mkdir(join(top, name, '_layers'), {recursive: true})
    assert.deepEqual(await walked(top), ['ok'])
    await rm(top, {recursive: true})
  })
})
