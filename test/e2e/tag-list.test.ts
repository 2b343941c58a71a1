/** `tag list` at registries whose lists are broken. */
import assert from 'node:assert/strict'
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {Ajv2020} from 'ajv/dist/2020.js'
import {type Answer, reply, type ScriptedRegistry, startScriptedRegistry} from '../integration/remote/scripted-registry.ts'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

const SCHEMA = JSON.parse(readFileSync(join(import.meta.dirname, '../../schemas/tag-list.schema.json'), 'utf8'))
const INDEX = Buffer.from(JSON.stringify({schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: []}))

describe('tag list at a registry', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  const validate = new Ajv2020({strict: true}).compile(SCHEMA)
  let user: Holdfast

  before(async () => {
    const temporary = await createTemporaryDirectory('tag-list')
    afterwards(temporary.remove)
    user = await createHoldfast(temporary.path)
  })

  /** A registry that has one manifest under every tag, and this list. */
  async function withList(list: Answer): Promise<ScriptedRegistry> {
    const registry = await startScriptedRegistry((seen, response, request) => {
      if (seen.url.includes('/tags/list')) return list(seen, response, request)
      if (!seen.url.includes('/manifests/')) return reply(response, 404)
      reply(response, 200, {'content-type': 'application/vnd.oci.image.index.v1+json'}, INDEX)
    })
    afterwards(registry.close)
    return registry
  }

  it('ends with 9 and the tags that came, when the pages go in circles', async () => {
    const registry = await withList(({url}, response) => {
      const [next, tags] = url.includes('last=b') ? ['a', ['c', 'd']] : ['b', ['a', 'b']]
      reply(response, 200, {link: `</v2/team/app/tags/list?n=1000&last=${next}>; rel="next"`}, {tags})
    })
    const {envelope, exitCode} = await user.json(['tag', 'list', `${registry.host}/team/app`])
    assert.equal(exitCode, 9)
    assert.match(envelope.error?.message ?? '', /its pages go in circles, so that the list is incomplete/)
    const {tags} = envelope.result as {tags: {tag: string}[]}
    assert.deepEqual(tags.map(({tag}) => tag).sort(), ['a', 'b', 'c', 'd'])
    assert.ok(registry.seen.filter(({url}) => url.includes('/tags/list')).length <= 4)
  })

  it('says how many names are no valid tags, and names three', async () => {
    const registry = await withList((_seen, response) => reply(response, 200, {}, {tags: ['v1', 'a b', '-x', 'é', '../y']}))
    const {envelope, exitCode} = await user.json(['tag', 'list', `${registry.host}/team/app`])
    assert.equal(exitCode, 0)
    const {tags, invalid} = envelope.result as {tags: {tag: string}[]; invalid: {count: number; names: string[]}}
    assert.deepEqual([tags.map(({tag}) => tag), invalid], [['v1'], {count: 4, names: ['-x', '../y', 'a b']}])
    assert.ok(validate(envelope.result), JSON.stringify(validate.errors))
    const {stdout, stderr} = await user.run(['tag', 'list', `${registry.host}/team/app`])
    assert.match(stderr, /4 names in the list of \S+ cannot be a tag, left out: -x, \.\.\/y, a b, …/)
    assert.doesNotMatch(stdout, /a b/)
  })

  it('names tags whose manifest is gone or is a web page, lists the others, and does not say that there are none', async () => {
    const type = {'content-type': 'application/vnd.oci.image.index.v1+json'}
    let tags = ['gone', 'page', 'whole']
    const registry = await startScriptedRegistry(({url}, response) => {
      if (url.includes('/tags/list')) return reply(response, 200, {}, {tags})
      if (url.endsWith('/manifests/page')) return reply(response, 200, {'content-type': 'text/html'}, Buffer.from('<html>Log in</html>'))
      if (!url.includes('/manifests/') || url.endsWith('/gone')) return reply(response, 404)
      reply(response, 200, type, INDEX)
    })
    afterwards(registry.close)
    const {envelope, exitCode} = await user.json(['tag', 'list', `${registry.host}/team/app`])
    assert.equal(exitCode, 0, JSON.stringify(envelope))
    const result = envelope.result as {tags: {tag: string}[]; broken: {tag: string}[]}
    assert.deepEqual(
      [result.tags, result.broken].map((list) => list.map(({tag}) => tag)),
      [['whole'], ['gone', 'page']],
    )
    assert.ok(validate(envelope.result), JSON.stringify(validate.errors))
    tags = ['gone']
    const {stderr} = await user.run(['tag', 'list', `${registry.host}/team/app`])
    assert.match(stderr, /team\/app:gone is in the list and cannot be read: its manifest is gone/)
    assert.doesNotMatch(stderr, /has no tags/)
  })
})
