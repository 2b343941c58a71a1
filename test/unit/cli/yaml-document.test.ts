/** YAML that users name: what is wrong is said by line, and what would keep the process busy for long is refused. */
import assert from 'node:assert/strict'
import {MAX_YAML_BYTES, parseYaml} from '../../../src/lib/cli/yaml-document.ts'

const refusal = async (yaml: string): Promise<string> => {
  const error: unknown = await parseYaml(yaml, 'x.yml').then(
    () => undefined,
    (cause: unknown) => cause,
  )
  assert.ok(error instanceof Error)
  assert.equal('code' in error && error.code, 'USAGE')
  return error.message
}

describe('a YAML document', () => {
  it('is a value, with its aliases', async () => {
    assert.deepEqual(await parseYaml('a: &x [1, 2]\nb: *x\n', 'x.yml'), {a: [1, 2], b: [1, 2]})
    assert.equal(await parseYaml('', 'x.yml'), null)
  })

  for (const [what, yaml, message] of [
    ['that has the same key twice', 'a:\n  b: 1\n  c: 2\n  b: 3\n', /"x\.yml": Map keys must be unique at line 4, column 3$/],
    ['that ends in the middle', 'a: 1\nb: [1, 2', /"x\.yml": .* at line 2, column \d+$/],
    ['with many aliases', `- &a x\n${'- *a\n'.repeat(101)}`, /more than 100 aliases at line 102/],
    ['with aliases that expand to a bomb', `- &a [x,x,x]\n- &b [${'*a,'.repeat(40)}]\n- [${'*b,'.repeat(50)}]\n`, /alias/],
    ['that is nested too deeply', '['.repeat(100_000), /"x\.yml": /],
    ['that is too large', `a: ${'b'.repeat(MAX_YAML_BYTES)}`, /it has more than 1048576 bytes/],
  ] as const) {
    it(`${what} is refused`, async () => assert.match(await refusal(yaml), message))
  }
})
