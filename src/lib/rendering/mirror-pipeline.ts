/** A pipeline of Concourse for a mirror on Cloud Foundry: it sets itself, runs a job only when that job's input has changed, tests what is staged, and goes to production by hand. */
import {stringify} from 'yaml'
import {assertPlain} from './plain.ts'

interface PipelineValues {
  readonly name: string
  /** An image that the tests pull through the mirror: `library/alpine`. */
  readonly testImage: string
}

/** What a job is about: a commit that touches nothing of it does not run it. */
const PATHS = {
  registry: ['mirror.yml', 'registry/*'],
  proxy: ['mirror.yml', 'proxy/*'],
  tests: ['ci/*'],
  pipeline: ['pipeline.yml'],
} as const

type Part = keyof typeof PATHS

const DEPLOYED = ['registry', 'proxy'] as const

/** @throws {HoldfastError} CONFIGURATION when a value cannot be written safely. */
export function renderPipeline({name, testImage}: PipelineValues): string {
  assertPlain('a name', name)
  assertPlain('an image', testImage)
  const source = (part: Part): object => ({
    name: `source-${part}`,
    type: 'git',
    icon: 'git',
    source: {uri: '((git-uri))', branch: '((git-branch))', paths: PATHS[part]},
  })
  const parts = Object.keys(PATHS) as Part[]
  const pipeline = (variables: Readonly<Record<string, string>>): object => ({
    resources: [
      ...parts.map(source),
      {name: 'tools', type: 'registry-image', source: {repository: '((tools-image))', tag: '((tools-tag))'}},
    ],
    jobs: [
      {
        name: 'set-pipeline',
        plan: [
          {get: 'source-pipeline', trigger: true},
          {set_pipeline: 'self', file: 'source-pipeline/pipeline.yml', vars: variables},
        ],
      },
      ...DEPLOYED.map((part) => ({
        name: `deploy-${part}-staging`,
        serial: true,
        serial_groups: [part],
        plan: [
          {in_parallel: [{get: `source-${part}`, trigger: true}, {get: 'tools'}]},
          // What fails is left as it is, to be looked at.
          deployment(part, 'staging', '--environment staging'),
        ],
      })),
      {
        name: 'integration-test',
        serial: true,
        plan: [
          {
            in_parallel: [
              {get: 'source-tests', trigger: true},
              ...DEPLOYED.map((part) => ({get: `source-${part}`, passed: [`deploy-${part}-staging`], trigger: true})),
              {get: 'tools'},
            ],
          },
          script('no-push', 'ci/test-no-push.mjs', testImage),
          script('double-pull', 'ci/test-double-pull.mjs', testImage),
        ],
        on_success: script('tell', 'ci/notify.mjs', testImage),
      },
      ...DEPLOYED.map((part) => ({
        name: `deploy-${part}-production`,
        serial: true,
        serial_groups: [part],
        plan: [
          // No trigger: a mirror that fails takes every other build with it, so somebody is there when it changes.
          {in_parallel: [{get: `source-${part}`, passed: ['integration-test']}, {get: 'tools'}]},
          // A deployment that fails is cancelled, and what ran before runs again.
          deployment(part, 'production', '--environment production --promote'),
        ],
      })),
    ],
  })
  // fly fills in what -l names once, in what it sets: the job that sets the pipeline again has to fill in the same.
  const handedOn = Object.fromEntries(variablesOf(stringify(pipeline({}))).map((variable) => [variable, `((${variable}))`]))
  const remarks = [
    `# The pipeline of ${name}: fly set-pipeline -p ${name} -c pipeline.yml -l your-variables.yml, once; from then on it sets itself, with the same variables.`,
    `# They are ${Object.keys(handedOn).join(', ')}.`,
    '# Set it by hand again when one of them changes. ((tools-image)) has cf and holdfast.',
  ]
  return `${remarks.join('\n')}\n${stringify(pipeline(handedOn))}`
}

/** The names of what a document leaves open, each once. */
function variablesOf(text: string): readonly string[] {
  return [...new Set([...text.matchAll(/\(\(([a-z0-9-]+)\)\)/g)].map(([, name = '']) => name))].toSorted()
}

function deployment(part: (typeof DEPLOYED)[number], environment: string, flags: string): object {
  const input = `source-${part}`
  const login = 'cf api "$CF_API"; cf auth; cf target -o "$CF_ORGANIZATION" -s "$CF_SPACE"'
  return {
    task: 'deploy',
    image: 'tools',
    timeout: '45m',
    config: {
      platform: 'linux',
      inputs: [{name: input}],
      params: {
        CF_API: '((cf-api))',
        CF_USERNAME: `((cf-username-${environment}))`,
        CF_PASSWORD: `((cf-password-${environment}))`,
        CF_ORGANIZATION: '((cf-organization))',
        CF_SPACE: `((cf-space-${environment}))`,
        HOLDFAST_NOTIFY_URL: '((notify-url))',
      },
      run: {path: 'sh', args: ['-euc', `${login}; holdfast mirror deploy ${flags} --only ${part} --directory ${input}`]},
    },
  }
}

function script(name: string, file: string, testImage: string): object {
  return {
    task: name,
    image: 'tools',
    timeout: '10m',
    config: {
      platform: 'linux',
      inputs: [{name: 'source-tests'}],
      params: {MIRROR_URL: '((mirror-url-staging))', TEST_IMAGE: testImage, HOLDFAST_NOTIFY_URL: '((notify-url))'},
      run: {path: 'node', args: [`source-tests/${file}`]},
    },
  }
}

/** Nothing can be pushed: 405, from wherever it is tried. */
export const NO_PUSH_TEST = `// Nothing can be pushed to the mirror at MIRROR_URL.
import {env, exit, stderr, stdout} from 'node:process'

const url = new URL('/v2/no-push/blobs/uploads/', env.MIRROR_URL)
const {status} = await fetch(url, {method: 'POST'})
if (status !== 405) {
  stderr.write(\`POST \${url} answered \${status}, and not 405: the mirror takes pushes, or this machine may not use it\\n\`)
  exit(1)
}
stdout.write(\`POST \${url} is refused with 405\\n\`)
`

/** Says that there is something to promote, to whatever takes what Slack takes. */
export const NOTIFY_SCRIPT = `// What is staged at MIRROR_URL has passed its tests: somebody may take it to production.
import {env, exit, stderr} from 'node:process'

const url = env.HOLDFAST_NOTIFY_URL
if (!url) exit(0)
const body = JSON.stringify({text: \`The mirror at \${env.MIRROR_URL} has passed its tests: it can go to production.\`})
const {status} = await fetch(url, {method: 'POST', headers: {'content-type': 'application/json'}, body})
if (status >= 300) {
  stderr.write(\`the notification was answered with \${status}\\n\`)
  exit(1)
}
`

/** The same image twice: the second comes from what the first has left. */
export const DOUBLE_PULL_TEST = `// TEST_IMAGE can be pulled through the mirror at MIRROR_URL, and again, each byte what its digest says.
import {createHash} from 'node:crypto'
import {env, stdout} from 'node:process'

const [repository, tag = 'latest'] = (env.TEST_IMAGE ?? 'library/alpine').split(':')
const accept = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ')

async function get(path, digest) {
  const answer = await fetch(new URL(\`/v2/\${repository}/\${path}\`, env.MIRROR_URL), {headers: {accept}})
  const bytes = Buffer.from(await answer.arrayBuffer())
  if (answer.status !== 200) throw new Error(\`\${answer.url} answered \${answer.status}: \${bytes.toString().slice(0, 500)}\`)
  const actual = \`sha256:\${createHash('sha256').update(bytes).digest('hex')}\`
  if (digest !== undefined && actual !== digest) throw new Error(\`\${answer.url} has the digest \${actual}\`)
  return {bytes, digest: actual}
}

async function pull() {
  const {bytes, digest} = await get(\`manifests/\${tag}\`)
  let manifest = JSON.parse(bytes)
  if (manifest.manifests !== undefined) {
    const child = manifest.manifests.find(({platform}) => platform?.architecture === 'amd64') ?? manifest.manifests[0]
    manifest = JSON.parse((await get(\`manifests/\${child.digest}\`, child.digest)).bytes)
  }
  for (const blob of [manifest.config, ...manifest.layers]) await get(\`blobs/\${blob.digest}\`, blob.digest)
  return digest
}

const first = await pull()
const second = await pull()
if (first !== second) throw new Error(\`the tag named \${first}, and then \${second}\`)
stdout.write(\`\${repository}:\${tag} is \${first}, twice\\n\`)
`
