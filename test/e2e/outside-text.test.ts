/** The program before hostile text: from registries, the collector's users, arguments, variables and files. No raw control of it reaches standard output or error. */
import assert from 'node:assert/strict'
import {mkdir, writeFile} from 'node:fs/promises'
import {createServer} from 'node:net'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {assertNothingRaw, assertShown, CANARY, ONE_LINE_CANARY} from '../support/control-canary.ts'
import {createHoldfast, HOLDFAST_LAUNCHER, type Holdfast} from '../support/holdfast.ts'
import {createImage, createIndex, createLayer, createReferrer, OCI_INDEX, OCI_MANIFEST, type SampleImage} from '../support/images.ts'
import {needs} from '../support/required-program.ts'
import {type ProgramResult, type RunOptions, run} from '../support/run-program.ts'
import {command, type ServedCollector, serveCollector} from '../support/served-collector.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

/** Controls that are valid in a header, as bytes of latin1. */
const HEADER_CANARY = '\u009b31m\u009d52;c;Y2FuYXJ5\u0085forged-line'
/** What is shown without --debug is shown with it. */
const FORMS = ['--debug', '--json'] as const

interface Reply {
  readonly status: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

describe('text of others', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let folder: string
  let holdfast: Holdfast

  before(async () => {
    const temporary = await createTemporaryDirectory('outside-text')
    afterwards(temporary.remove)
    folder = temporary.path
    holdfast = await createHoldfast(folder)
  })

  /** Runs it in both forms; `isShown` is false where the text is not repeated. */
  async function assertClean(args: readonly string[], options: RunOptions & {readonly isShown?: boolean} = {}): Promise<ProgramResult[]> {
    const results: ProgramResult[] = []
    for (const form of FORMS) {
      const result = await holdfast.run([...args, form], options)
      const what = `holdfast ${JSON.stringify([...args, form])}`
      assertNothingRaw(result.stdout, what)
      assertNothingRaw(result.stderr, what)
      if (options.isShown !== false) assertShown(result.stdout + result.stderr, what)
      if (form === '--json') JSON.parse(result.stdout)
      assert.notEqual(result.exitCode, 1, `${what}: ${result.stdout}${result.stderr}`)
      results.push(result)
    }
    return results
  }

  describe('of a registry', () => {
    let registry: string

    before(async () => {
      registry = await startRawRegistry(afterwards, routes())
    })

    it('is shown as escapes by inspect: annotations, labels, platforms, headings', async () => {
      const [plain] = await assertClean(['inspect', `${registry}/image:v1`, '--source-plain-http'])
      assert.equal(plain?.exitCode, 0, plain?.stderr)
      for (const word of ['Annotation', 'Label', 'User', 'Entrypoint', 'Directory']) {
        assert.match(plain?.stdout ?? '', new RegExp(`^\\s*${word}.*\\\\u001b`, 'm'))
      }
      assert.match(plain?.stdout ?? '', /^artifact\\u001b/m)
    })

    it('is exact in what --raw writes to a pipe', async () => {
      const {stdout, exitCode} = await holdfast.run(['inspect', `${registry}/raw:v1`, '--source-plain-http', '--raw'])
      assert.equal(exitCode, 0)
      assert.equal(stdout, RAW_MANIFEST)
    })

    for (const [what, args] of [
      ['the message and code of a refusal', ['inspect', 'REGISTRY/denied:v1']],
      ['a challenge', ['inspect', 'REGISTRY/realm:v1']],
      ['a challenge of no known kind', ['inspect', 'REGISTRY/scheme:v1']],
      ['the media type of a child', ['copy', 'REGISTRY/child:v1', 'oci:FOLDER/layout']],
      ['the media type of a manifest', ['inspect', 'REGISTRY/type:v1']],
      ['a status line', ['inspect', 'REGISTRY/reason:v1']],
      ['a redirect', ['inspect', 'REGISTRY/redirect:v1']],
      ['a list of tags', ['tag', 'list', 'REGISTRY/tags']],
      ['what is no JSON', ['tag', 'list', 'REGISTRY/garbage']],
      ['a header that HTTP forbids', ['inspect', 'REGISTRY/header:v1']],
      ['the failure of one of several', ['cache-image', 'REGISTRY/denied:v1', 'REGISTRY/child:v1']],
    ] as const) {
      it(`never reaches the terminal raw from ${what}`, async () => {
        const named = args.map((arg) => arg.replace('REGISTRY', registry).replace('FOLDER', folder))
        await assertClean([...named, '--source-plain-http'], {isShown: false})
      })
    }
  })

  describe('of users of a collector', () => {
    let served: ServedCollector

    before(async () => {
      await command(holdfast, ['user', 'add', 'root', '--administrator', '--password-stdin'], 'correct horse battery')
      served = await serveCollector(holdfast)
      afterwards(() => served.stop().then(() => {}))
    })

    it('forges no line of the audit log by a login name', async () => {
      const authorization = `Basic ${Buffer.from(`eve\u001b[31m\nforged-line\r\u009b2J\u202e:wrong`).toString('base64')}`
      const challenge = (await fetch(`${served.url}/v2/`)).headers.get('www-authenticate') ?? ''
      const service = encodeURIComponent(/service="([^"]*)"/.exec(challenge)?.[1] ?? '')
      const refused = await fetch(`${served.url}/token?service=${service}&scope=repository:a:pull`, {headers: {authorization}})
      assert.equal(refused.status, 401)
      assertNothingRaw(await refused.text(), '/token')
      const rows = await assertClean(['collector', 'audit'])
      assert.equal(rows[0]?.exitCode, 0)
      for (const format of ['jsonl', 'syslog']) await assertClean(['collector', 'audit', '--format', format])
    })

    it('is shown as escapes in names of groups, wherever they stand', async () => {
      const group = 'ops\u009b2J\u202e\u200b'
      await command(holdfast, ['group', 'add', group])
      await command(holdfast, ['group', 'add-member', group, 'root'])
      await command(holdfast, ['app', 'add', 'shop', '--responsible', group])
      for (const args of [
        ['group', 'list'],
        ['group', 'show', group],
        ['user', 'list'],
        ['app', 'list'],
        ['app', 'show', 'shop'],
      ])
        await assertClean(args)
      const {stdout} = await holdfast.run(['export'])
      assert.ok(stdout.includes(group) || stdout.includes('\\x9b') || stdout.includes('\\u202e'), 'the document is for programs, and exact')
    })

    it('is shown as escapes where something is not found', async () => {
      for (const noun of ['user', 'group', 'app', 'service']) await assertClean([noun, 'show', CANARY], {isShown: false})
      await assertClean(['search', CANARY], {isShown: false})
      await assertClean(['cached', CANARY], {isShown: false})
    })
  })

  describe('of arguments, variables and files', () => {
    for (const args of [
      [CANARY],
      ['registry', CANARY],
      ['cached', `--${CANARY}`],
      ['cached', 'a', CANARY],
      ['inspect', CANARY],
      ['completion', CANARY],
      ['collector', 'audit', '--format', CANARY],
      ['collector', 'audit', '--limit', CANARY],
      ['registry', 'add', CANARY, CANARY],
      ['registry', 'show', CANARY],
      ['login', CANARY, '--username', CANARY, '--password-stdin'],
      ['apply', CANARY],
      ['warm', CANARY],
      ['serve', '--listen', CANARY],
      ['builder', '-dockerRef', CANARY],
      ['builder', `-${CANARY}`],
      ['egress', '--cidr', CANARY, '--port', '1'],
      ['inspect', '127.0.0.1:1/x', '--source-ca-file', CANARY],
      ['tag', 'delete', CANARY],
      ['user', 'remove', CANARY],
    ]) {
      it(`is shown as escapes when it is typed: ${args.map((arg) => arg.replace(CANARY, '…')).join(' ')}`, async () => {
        await assertClean(args, {input: 'password'})
      })
    }

    it('does no harm beside --help', async () => {
      for (const args of [
        ['--help', CANARY],
        [CANARY, '--help'],
        ['cached', CANARY, '--help'],
        ['help', CANARY],
      ]) {
        const {stdout, stderr} = await holdfast.run(args)
        assertNothingRaw(stdout, JSON.stringify(args))
        assertNothingRaw(stderr, JSON.stringify(args))
      }
    })

    for (const [variable, args] of [
      ['HOLDFAST_LIMIT', ['events']],
      ['HOLDFAST_FORMAT', ['collector', 'audit']],
      ['HOLDFAST_COLLECTOR', ['user', 'list']],
      ['HOLDFAST_DATA_DIR', ['registry', 'list']],
      ['HOLDFAST_LISTEN', ['serve']],
      ['HOLDFAST_TO', ['cache-image', 'oci:nowhere']],
      ['DOCKER_CONFIG', ['whoami', '127.0.0.1:1']],
      ['HTTPS_PROXY', ['inspect', '127.0.0.2:1/a']],
    ] as const) {
      it(`is shown as escapes when it is in ${variable}`, async () => {
        const value = variable === 'DOCKER_CONFIG' ? join(folder, ONE_LINE_CANARY) : CANARY
        if (variable === 'DOCKER_CONFIG') {
          await mkdir(value)
          await writeFile(join(value, 'config.json'), JSON.stringify({credHelpers: {'127.0.0.1:1': 'holdfast-canary'}}))
        }
        const env = {[variable]: variable === 'HOLDFAST_DATA_DIR' ? join(HOLDFAST_LAUNCHER, CANARY) : value}
        await assertClean([...args], {env, isShown: !['HTTPS_PROXY', 'HOLDFAST_DATA_DIR'].includes(variable)})
      })
    }

    it('is shown as escapes from files: their names, and lines of lists and documents', async () => {
      const file = join(folder, `list${ONE_LINE_CANARY}`)
      await writeFile(file, `not an image ${ONE_LINE_CANARY}\n`)
      await assertClean(['warm', file])
      await assertClean(['apply', file])
      await assertClean(['mirror', 'verify', file, '--upstream', 'docker.io'], {isShown: false})
    })
  })

  describe('on a terminal', () => {
    needs('script')

    it('is shown as escapes in questions, and --raw is', async () => {
      const registry = await startRawRegistry(afterwards, routes())
      const asked = await onTerminal(['user', 'remove', `ann${ONE_LINE_CANARY}`])
      assert.match(asked, /Remove user ann\\u001b\[31m/)
      assert.ok(!asked.includes(']52;c;Y2FuYXJ5\u0007') && !asked.includes('\u202e') && !asked.includes('\u009b'), JSON.stringify(asked))
      const raw = await onTerminal(['inspect', `${registry}/raw:v1`, '--source-plain-http', '--raw'])
      assert.match(raw, /\\u009b2J/)
      assertNothingRaw(raw.replaceAll('\r\n', '\n'), 'inspect --raw')
    })

    /** What a terminal is sent; its end is typed at once. */
    async function onTerminal(args: readonly string[]): Promise<string> {
      const words = [process.execPath, HOLDFAST_LAUNCHER, ...args].map((word) => `'${word}'`).join(' ')
      const env = {...holdfast.env, CI: '', TERM: 'xterm', NO_COLOR: '1'}
      const {stdout} = await run('script', ['-qec', words, '/dev/null'], {env, input: 'n\r'})
      return stdout
    }
  })
})

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const RAW_MANIFEST = `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[],"annotations":{"a":"\u009b2J\u202e\u007f"}}\n`

/** What the registry answers, by path. */
function routes(): ReadonlyMap<string, Reply> {
  const replies = new Map<string, Reply>()
  const image = createImage([createLayer('app', 'x')], {
    labels: {[`label${CANARY}`]: CANARY},
    user: CANARY,
    entrypoint: [CANARY],
    command: [CANARY],
    workingDirectory: CANARY,
    ports: [CANARY],
  })
  const artifact = createReferrer(image, `artifact${CANARY}`, 'x')
  const plain = createIndex({'linux/amd64': image, 'linux/arm64': artifact})
  const index = {...JSON.parse(Buffer.from(plain.bytes).toString()), annotations: {[`key${CANARY}`]: CANARY}}
  index.manifests[0].platform = {os: `os${CANARY}`, architecture: 'amd64'}
  index.manifests[1] = {...index.manifests[1], platform: undefined, artifactType: `artifact${CANARY}`}
  serve('image', {...plain, bytes: json(index)})
  serveBytes('raw', OCI_INDEX, new TextEncoder().encode(RAW_MANIFEST))
  serveBytes('child', OCI_INDEX, json({...index, manifests: [{...index.manifests[0], mediaType: `application/${CANARY}`}]}))
  serveBytes('type', `application/${HEADER_CANARY}`, json({schemaVersion: 2, mediaType: `application/${CANARY}`}))
  const errors = json({errors: [{code: `DENIED${CANARY}`, message: `no ${CANARY}`, detail: CANARY}]})
  replies.set('/v2/denied/', {status: '403 Forbidden', headers: {'content-type': 'application/json'}, body: errors})
  replies.set('/v2/realm/', {
    status: '401 Unauthorized',
    headers: {
      'www-authenticate': `Bearer realm="https://example.com/${HEADER_CANARY}",service="${HEADER_CANARY}",error="${HEADER_CANARY}"`,
    },
    body: errors,
  })
  replies.set('/v2/scheme/', {
    status: '401 Unauthorized',
    headers: {'www-authenticate': `${HEADER_CANARY} x=${HEADER_CANARY}`},
    body: errors,
  })
  replies.set('/v2/reason/', {status: `403 ${HEADER_CANARY}`, headers: {warning: `299 - "${HEADER_CANARY}"`}})
  replies.set('/v2/redirect/', {status: '307 Elsewhere', headers: {location: `http://127.0.0.9:1/${HEADER_CANARY}?${HEADER_CANARY}`}})
  replies.set('/v2/header/', {status: '403 Forbidden', headers: {warning: `299 - "${ONE_LINE_CANARY}"`}})
  replies.set('/v2/tags/tags/list', {status: '200 OK', body: json({name: CANARY, tags: [CANARY, 'v1']})})
  replies.set('/v2/garbage/', {status: '200 OK', body: CANARY})
  return replies

  function serve(repository: string, {mediaType, bytes, children, blobs}: SampleImage): void {
    serveBytes(repository, mediaType, bytes)
    for (const child of children) {
      replies.set(`/v2/${repository}/manifests/${child.digest}`, {
        status: '200 OK',
        headers: {'content-type': OCI_MANIFEST},
        body: child.bytes,
      })
      serve(`${repository}`, {...child, mediaType: '', bytes: new Uint8Array()})
    }
    for (const blob of blobs) replies.set(`/v2/${repository}/blobs/${blob.digest}`, {status: '200 OK', body: blob.bytes})
  }

  function serveBytes(repository: string, mediaType: string, bytes: Uint8Array): void {
    if (bytes.length > 0)
      replies.set(`/v2/${repository}/manifests/v1`, {status: '200 OK', headers: {'content-type': mediaType}, body: bytes})
  }
}

/** A registry that puts any bytes into its headers, which an HTTP library would refuse. Answers `host:port`. */
async function startRawRegistry(afterwards: ReturnType<typeof cleanUpAfterwards>, replies: ReadonlyMap<string, Reply>): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => {
      const [method, target = ''] = data.toString('latin1').split(' ')
      const path = target.split('?')[0] ?? ''
      const found = [...replies].find(([prefix]) => path === prefix || (prefix.endsWith('/') && path.startsWith(prefix)))?.[1]
      const {status, headers = {}, body = ''} = found ?? {status: path === '/v2/' ? '200 OK' : '404 Not Found'}
      const bytes = Buffer.from(body)
      const head = Object.entries({...headers, 'content-length': String(bytes.length), connection: 'close'}).map(
        ([name, value]) => `${name}: ${value}\r\n`,
      )
      socket.end(
        Buffer.concat([Buffer.from(`HTTP/1.1 ${status}\r\n${head.join('')}\r\n`, 'latin1'), method === 'HEAD' ? Buffer.of() : bytes]),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(() => new Promise<void>((resolve) => void server.close(() => resolve())))
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}
