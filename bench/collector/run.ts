/** `npm run bench:collector`: how fast a collector with many objects gives tokens, finds repositories and takes notifications; see docs/performance.md. */
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {mkdtemp, readFile, rm} from 'node:fs/promises'
import {Agent, request} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {DatabaseSync} from 'node:sqlite'
import {parseArgs} from 'node:util'
import {hashPassword} from '../../src/lib/accounts/password.ts'
import {createAccountAuthenticator} from '../../src/lib/collector/local-token-service.ts'
import {openCollectorStore} from '../../src/lib/collector/sql/open.ts'
import type {CollectorStore} from '../../src/lib/collector/store.ts'
import {Secret} from '../../src/lib/core/secret.ts'
import {digestOf} from '../../src/lib/oci/digest.ts'
import {parseRepositoryName, parseTag} from '../../src/lib/oci/reference.ts'
import {hashOpaqueToken, makeOpaqueToken} from '../../src/lib/tokens/opaque-token.ts'
import {type LatentRelay, startLatentRelay} from '../servers/latent-relay.ts'

const LAUNCHER = join(import.meta.dirname, '../../bin/run.js')
const PASSWORD = 'correct horse'
const CONNECTIONS = 8
const BATCH = 1_000
const REFUSALS = 200
/** Of `/proc/PID/stat`. */
const MS_PER_TICK = 10
/** Words of names, the first ones far more often than the last. */
const WORDS =
  'web,api,app,proxy,cache,worker,frontend,backend,database,gateway,scheduler,exporter,collector,operator,dashboard,registry,controller,connector,analytics,migration'.split(
    ',',
  )

/** Half of the names are the registry's, a third those of apps, the others of users, whose images no other user sees. */
function repositoryName(number: number): string {
  const word = (seed: number): string => WORDS[Math.floor(((seed % 997) / 997) ** 3 * WORDS.length)] ?? 'web'
  const leaf = `${word(number * 7919)}-${word(number * 104_729)}-${number}`
  if (number % 6 < 3) return `${word(number * 31)}/${leaf}`
  return number % 6 < 5 ? `apps/app-${number % apps}/${leaf}` : `users/user-${number % users}/secret-${leaf}`
}

const {values} = parseArgs({
  options: {
    users: {type: 'string', default: '10000'},
    apps: {type: 'string', default: '1000'},
    repositories: {type: 'string', default: '100000'},
    /** 3600000 is an hour of a thousand a second. */
    notifications: {type: 'string', default: '5000'},
    /** Of each kind. */
    searches: {type: 'string', default: '500'},
    /** An empty database in PostgreSQL; SQLite without it. */
    database: {type: 'string'},
    /** Round trip to that database, in milliseconds. */
    latency: {type: 'string', default: '0'},
    /** `search`: nothing else is measured. */
    only: {type: 'string'},
  },
})
const [users, apps, repositories, searches] = [values.users, values.apps, values.repositories, values.searches].map(Number) as [
  number,
  number,
  number,
  number,
]
const eventsSecret = makeOpaqueToken('events').reveal()
const say = (text: string): void => void process.stdout.write(`${text}\n`)

const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-collector-'))
const location = values.database === undefined ? {file: join(folder, 'collector.db')} : {postgresUrl: values.database}
try {
  const store = await openCollectorStore(location)
  await fill(store)
  await store.close()
  if (values.only === undefined) await compareRefusals()
  await measure()
} finally {
  await rm(folder, {recursive: true, force: true})
}

async function fill(store: CollectorStore): Promise<void> {
  const start = performance.now()
  const passwordHash = await hashPassword(new Secret(PASSWORD))
  const everybody = await store.addGroup('everybody')
  const puller = await store.findGroup('DockerRegistriesPuller')
  const facts = {url: 'http://127.0.0.1:1', insecure: false, restricted: true, tokenHeader: 'x5c', tokenLifeSeconds: 900} as const
  const registry = await store.addManagedRegistry({name: 'bench', service: 'bench', ...facts})
  await store.markProven(registry, new Date().toISOString())
  await store.updateManagedRegistry(registry.id, {publications: [everybody.id], eventsSecretHash: hashOpaqueToken(eventsSecret)})
  for (let number = 0; number < users; number++) {
    const user = await store.addUser({name: `user-${number}`, source: 'internal', passwordHash})
    await store.addMember(everybody.id, user.id)
    if (puller !== undefined) await store.addMember(puller.id, user.id)
  }
  for (let number = 0; number < apps; number++) {
    const app = await store.addApp(`app-${number}`)
    await store.updateApp(app.id, {publications: [everybody.id]})
  }
  if ('postgresUrl' in location) await notify(store, registry.id)
  else insertRepositories(location.file, registry.id)
  say(`${users} users, ${apps} apps, ${repositories} repositories in ${seconds(performance.now() - start)}`)
}

async function notify(store: CollectorStore, registryId: number): Promise<void> {
  const change = (number: number) => ({
    kind: 'tag-set' as const,
    at: new Date().toISOString(),
    repository: parseRepositoryName(repositoryName(number)),
    tag: parseTag('v1'),
    digest: digestOf(Buffer.from(String(number))),
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
  })
  for (let first = 0; first < repositories; first += BATCH) {
    const count = Math.min(BATCH, repositories - first)
    await store.applyIndexChanges(
      registryId,
      Array.from({length: count}, (_, index) => change(first + index)),
    )
  }
}

/** One statement for a thousand: by notifications, a million would take an hour. */
function insertRepositories(file: string, registryId: number): void {
  const database = new DatabaseSync(file)
  const insert = database.prepare(`
    insert into repository (registry_id, name, description, is_official, is_automated, pulls, seen_at)
    select ${registryId}, value, '', 0, 0, 0, '2026-01-01T00:00:00.000Z' from json_each(?)`)
  for (let first = 0; first < repositories; first += BATCH) {
    insert.run(JSON.stringify(Array.from({length: Math.min(BATCH, repositories - first)}, (_, index) => repositoryName(first + index))))
  }
  database.close()
}

async function measure(): Promise<void> {
  const {relay, variables} = await databaseOfServer()
  const environment = {PATH: process.env.PATH, HOME: folder, HOLDFAST_DATA_DIR: folder, ...variables}
  const args = [LAUNCHER, 'serve', '--authenticate', '--json', '--quiet', '--listen', '127.0.0.1:0']
  const server = spawn(process.execPath, args, {env: environment, stdio: ['ignore', 'pipe', 'ignore']})
  try {
    const [line] = await once(createInterface({input: server.stdout}), 'line')
    const {url} = (JSON.parse(line) as {result: {url: string}}).result
    const agent = new Agent({keepAlive: true, maxSockets: CONNECTIONS})
    const ask = (path: string, headers: Record<string, string>, body?: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const sent = request(`${url}${path}`, {agent, method: body === undefined ? 'GET' : 'POST', headers}, (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode ?? 0))
        })
        sent.on('error', reject).end(body)
      })
    const as = (number: number) => ({authorization: `Basic ${Buffer.from(`user-${number}:${PASSWORD}`).toString('base64')}`})
    const token = (number: number): string => `/token?service=bench&scope=repository:${repositoryName(number % repositories)}:pull`
    const event = (number: number): string =>
      JSON.stringify({
        events: [
          {
            id: `event-${number}`,
            timestamp: new Date().toISOString(),
            action: 'pull',
            target: {
              mediaType: 'application/vnd.oci.image.manifest.v1+json',
              digest: digestOf(Buffer.from(String(number))),
              repository: repositoryName(number % repositories),
            },
            request: {method: 'GET'},
          },
        ],
      })
    const notification = {authorization: `Bearer ${eventsSecret}`, 'content-type': 'application/vnd.docker.distribution.events.v1+json'}
    const memory = async (): Promise<number> => {
      const status = await readFile(`/proc/${server.pid}/status`, 'utf8')
      return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024)
    }
    /** Of the server: what others do on the machine does not count. */
    const cpuMs = async (): Promise<number> => {
      const fields = (await readFile(`/proc/${server.pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ')
      return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK
    }
    const search = async (name: string, term: (number: number) => string): Promise<void> => {
      const before = await cpuMs()
      await load(`search, ${name}`, searches, 200, (number) => ask(`/v1/search?q=${term(number)}`, as(number % 20)), 1)
      say(`${' '.repeat(32)} ${(((await cpuMs()) - before) / searches).toFixed(1)} ms of the processor each`)
    }
    if (values.only === undefined) {
      await load('token, first time (argon2id)', 200, 200, (number) => ask(token(number), as(number)))
      await load('token, again', 5_000, 200, (number) => ask(token(number), as(number % 200)))
      await load('notification', Number(values.notifications), 202, (number) => ask('/events/bench', notification, event(number)))
    }
    // Passwords are verified once, before anything is measured.
    for (let number = 0; number < 20; number++) await ask('/v1/search?q=warm-up', as(number))
    const before = await memory()
    await search('a whole name', (number) => repositoryName((number * 331) % repositories))
    await search('1 character', (number) => 'abcdeqxz79'.charAt(number % 10))
    await search('2 characters', (number) => ['we', 'ap', 'zq', 'xx', '7-', 'q9'][number % 6] ?? '')
    await search('3 characters', (number) => ['web', 'api', 'zqx', 'pro', '-77'][number % 5] ?? '')
    await search('5 to 10 characters', (number) => WORDS[(number * 7) % WORDS.length] ?? '')
    await search('what all have', () => 'a')
    await search('what none has', (number) => `nothing-${number}`)
    await search('other users alone have it', () => 'secret')
    say(`memory ${before} MB before the searches, ${await memory()} MB after them`)
  } finally {
    server.kill('SIGTERM')
    await once(server, 'exit')
    relay?.close()
  }
}

/** PostgreSQL is as far away from the server as it is told. */
async function databaseOfServer(): Promise<{readonly relay?: LatentRelay; readonly variables: Readonly<Record<string, string>>}> {
  if (!('postgresUrl' in location)) return {variables: {}}
  const url = new URL(location.postgresUrl)
  const relay = await startLatentRelay(url.hostname, Number(url.port || '5432'), Number(values.latency))
  url.hostname = '127.0.0.1'
  url.port = String(relay.port)
  return {relay, variables: {HOLDFAST_DATABASE_URL: url.href}}
}

/** How much longer a wrong password takes for a user who is there than for one who is not: who can tell the two apart learns names. */
async function compareRefusals(): Promise<void> {
  const store = await openCollectorStore(location)
  const {authenticate} = createAccountAuthenticator(store, [], () => new Date())
  const times: {readonly known: number[]; readonly unknown: number[]} = {known: [], unknown: []}
  for (let number = 0; number < REFUSALS; number++) {
    for (const [kind, name] of [
      ['known', `user-${number}`],
      ['unknown', `nobody-${number}`],
    ] as const) {
      const begun = performance.now()
      // An address for each: nobody is slowed down.
      await authenticate(name, new Secret('wrong horse'), `192.0.2.${number}`).catch(() => {})
      times[kind].push(performance.now() - begun)
    }
  }
  await store.close()
  const [known, unknown] = [median(times.known), median(times.unknown)]
  const difference = ((known / unknown - 1) * 100).toFixed(1)
  say(`wrong password, ${REFUSALS} each: known user ${known.toFixed(2)} ms, unknown ${unknown.toFixed(2)} ms, difference ${difference} %`)
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0
}

/** So many calls over so many connections; each must be answered with that status. */
async function load(
  name: string,
  calls: number,
  status: number,
  call: (number: number) => Promise<number>,
  connections = CONNECTIONS,
): Promise<void> {
  const times: number[] = []
  let next = 0
  const start = performance.now()
  await Promise.all(
    Array.from({length: connections}, async () => {
      while (next < calls) {
        const number = next++
        const begun = performance.now()
        const answered = await call(number)
        if (answered !== status) throw new Error(`${name} was answered with ${answered}`)
        times.push(performance.now() - begun)
      }
    }),
  )
  const elapsed = performance.now() - start
  times.sort((a, b) => a - b)
  const at = (share: number): string => `${(times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(1)} ms`
  say(`${name.padEnd(32)} ${String(Math.round((calls / elapsed) * 1000)).padStart(6)} a second   p50 ${at(0.5)}   p99 ${at(0.99)}`)
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
