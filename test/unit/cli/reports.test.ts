/** Every table, heading, log line and sentence of the command line, with a canary of control characters in each of its fields. */
import assert from 'node:assert/strict'
import {describeAppRows, describeOutcome, describeRefresh, describeStatus} from '../../../src/lib/cli/app-report.ts'
import {formatJsonLine, formatSyslog} from '../../../src/lib/cli/audit-format.ts'
import {describeCached, describeFound, digestChange} from '../../../src/lib/cli/cached-report.ts'
import * as collector from '../../../src/lib/cli/collector-report.ts'
import {describeChange} from '../../../src/lib/cli/configuration-report.ts'
import {formatInspection} from '../../../src/lib/cli/inspection.ts'
import {describeDeviceCode, describeKept, describeLogin, describeLogins} from '../../../src/lib/cli/login-report.ts'
import {describeRegistries, describeRegistry, describeStep, describeTrust} from '../../../src/lib/cli/registry-report.ts'
import {describeServerEvent} from '../../../src/lib/cli/server-log.ts'
import {formatTable} from '../../../src/lib/cli/table.ts'
import {describeDeleted, describeTags} from '../../../src/lib/cli/tag-report.ts'
import {assertNothingRaw, CANARY} from '../../support/control-canary.ts'

/** The same shape with the canary behind every text and every key of a record in it; what only chooses a word of ours stays. */
function poisoned<T>(value: T): T {
  return poison(value) as T
}

const CHOOSES_WORDS = new Set(['action', 'drift', 'flavour', 'kind', 'status', 'type'])
const RECORDS = new Set(['labels', 'annotations'])

function poison(value: unknown, isRecord = false): unknown {
  if (typeof value === 'string') return `${value}${CANARY}`
  if (Array.isArray(value)) return value.map((item) => poison(item))
  if (typeof value !== 'object' || value === null || value instanceof Error) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      isRecord ? `${key}${CANARY}` : key,
      CHOOSES_WORDS.has(key) ? item : poison(item, RECORDS.has(key)),
    ]),
  )
}

const time = '2026-11-21T12:00:00.000Z'
const status = poisoned({
  app: 'a',
  hasOptedIn: true,
  isCached: true,
  isPinned: true,
  image: 'i',
  source: 's',
  sourceDigest: 'd',
  currentDigest: 'd',
  stagedAt: time,
  previous: 'p',
  drift: 'moved',
})
const user = {
  id: 1,
  name: 'ann',
  source: 'internal',
  isDisabled: false,
  isAdministrator: true,
  groups: ['g'],
  privileges: ['Puller'],
  createdAt: time,
}
const trust = {registry: 'h', host: 'a', trustedBy: 'login'}
const registry = {
  name: 'r',
  host: 'h',
  url: 'https://h',
  insecure: false,
  plainHttp: false,
  isDefault: true,
  authScheme: 'basic',
  realm: 'x',
  pinnedHosts: ['p'],
  caFile: 'c',
  clientCertFile: 'c',
  clientKeyFile: 'k',
  capabilities: {},
  createdAt: time,
  updatedAt: time,
}
const audit = {
  id: 1,
  at: time,
  requestId: 'r',
  principal: 'ann',
  address: '192.0.2.1',
  action: `pull${CANARY}`,
  object: 'o',
  outcome: 'refused',
  rule: 'U9',
}

/** The lines of each report, and how many it has of one object. */
const REPORTS: Readonly<Record<string, readonly [lines: readonly string[], count: number]>> = {
  table: [
    formatTable(
      [`NAME${CANARY}`, 'B'],
      [
        [CANARY, CANARY],
        [CANARY, ''],
      ],
    ),
    3,
  ],
  apps: [describeAppRows(poisoned([{code: 'a', responsibles: ['g'], publications: ['g'], status}]) as never), 2],
  'status of an app': [describeStatus(status as never), 7],
  'outcome of staging': [[describeOutcome(poisoned({app: 'a', action: 'cached', image: 'i', source: 's'}) as never)], 1],
  'refresh of an app': [
    [
      describeRefresh(
        poisoned({
          app: 'a',
          source: 's',
          oldDigest: 'o',
          newDigest: 'n',
          hasMoved: true,
          newLayers: 1,
          goneLayers: 1,
          newBytes: 1,
          oldSizeBytes: 1,
          newSizeBytes: 1,
        }) as never,
      ),
    ],
    1,
  ],
  'cached images': [
    describeFound(
      poisoned([{source: 's', app: 'a', platforms: ['linux/amd64'], sizeBytes: 1, cachedAt: time, pinnedReference: 'p'}]) as never,
    ),
    2,
  ],
  'a cached image': [
    [describeCached(poisoned({source: 's', reference: 'r', cachedAt: time, unchanged: true, copiedBytes: 0}) as never)],
    1,
  ],
  'change of a digest': [[digestChange(poisoned({source: 's', digest: 'd', sourceDigest: 'd'}))], 1],
  users: [collector.describeUsers(poisoned([user]) as never), 2],
  groups: [collector.describeGroups(poisoned([{id: 1, name: 'g', kind: 'organisational', members: ['ann']}]) as never), 2],
  privileges: [collector.describePrivileges(poisoned([{privilege: 'Puller', holders: ['ann']}])), 2],
  'apps of a collector': [collector.describeApps(poisoned([{id: 1, code: 'a', responsibles: ['g'], publications: ['g']}]) as never), 2],
  services: [collector.describeServices(poisoned([{id: 1, name: 's', app: 'a', isDisabled: false, createdAt: time}]) as never), 2],
  'managed registries': [
    collector.describeManagedRegistries(
      poisoned([{name: 'r', url: 'u', service: 's', restricted: true, responsibles: ['g'], publications: ['g']}]) as never,
    ),
    2,
  ],
  tokens: [
    collector.describeTokens(
      poisoned([{id: 1, account: 'a', service: 's', client: 'c', createdAt: time, usedAt: time, expiresAt: time}]) as never,
    ),
    2,
  ],
  keys: [collector.describeKeys(poisoned([{state: 'active', since: time, endsAt: time}])), 2],
  'audit log': [collector.describeAudit(poisoned([audit]) as never), 2],
  decisions: [collector.describeDecisions(poisoned([{action: 'pull', granted: true, rule: 'U9', reason: 'because'}])), 2],
  repositories: [
    collector.describeRepositories(
      poisoned([{id: 1, registry: 'r', name: 'n', description: 'd', stars: 1, pulls: 1, isOfficial: true}]) as never,
    ),
    2,
  ],
  'indexed tags': [collector.describeIndexedTags(poisoned([{tag: 't', digest: 'd', pushedAt: time, attachment: 'a'}])), 2],
  events: [
    collector.describeEvents(
      poisoned([{receivedAt: time, registry: 'r', action: 'push', repository: 'n', tag: 't', digest: 'd', actor: 'a'}]),
    ),
    2,
  ],
  changes: [
    collector.describeChanges(
      poisoned([{action: 'change', kind: 'group', name: 'g', fields: [{field: 'f', from: 'a', to: ['b']}]}]) as never,
    ),
    2,
  ],
  'change of a configuration': [describeChange(poisoned({path: '/p', changes: [{registry: 'r', from: 'a', to: 'b'}]}) as never), 5],
  'audit log as JSON': [[formatJsonLine(poisoned(audit) as never)], 1],
  'audit log for syslog': [[formatSyslog(poisoned(audit) as never, `host${CANARY}`)], 1],
  logins: [describeLogins(poisoned([{registry: 'r', account: 'a', kind: 'password', loggedInAt: time, expiresAt: time}]) as never), 2],
  'what is kept': [
    describeKept(
      poisoned({login: {registry: 'h', kind: 'password'}, isProven: false, reason: 'r', realmHost: 'a'}) as never,
      `keychain${CANARY}`,
    ),
    3,
  ],
  'who has logged in': [describeLogin(poisoned({login: {registry: 'h', account: 'a'}, isProven: true}) as never), 1],
  'who is kept without a proof': [describeLogin(poisoned({login: {registry: 'h', account: 'a'}, isProven: false}) as never), 1],
  'device code': [
    describeDeviceCode(poisoned({verificationUri: 'u', verificationUriComplete: 'u', userCode: 'c', expiresInSeconds: 60})),
    3,
  ],
  registry: [describeRegistry(poisoned(registry) as never, poisoned([trust]) as never), 14],
  registries: [describeRegistries(poisoned([registry]) as never, poisoned([trust]) as never), 2],
  'trusted host': [[describeTrust(poisoned(trust) as never)], 1],
  'step of a check': [describeStep(poisoned({name: 'dns', status: 'failed', detail: 'd', hints: ['h']}) as never), 2],
  tags: [describeTags(poisoned([{tag: 't', digest: 'd', createdAt: time, sizeBytes: 1, platforms: ['p'], siblings: ['s']}]) as never), 2],
  'deleted tag': [[describeDeleted(poisoned({reference: 'r', digest: 'd', manifestDeleted: true, siblings: ['s']}) as never)], 1],
  'request at a server': [
    [
      describeServerEvent(
        poisoned({
          type: 'request',
          requestId: 'r',
          method: 'GET',
          path: '/v2/',
          status: 200,
          receivedBytes: 1,
          sentBytes: 1,
          isCutShort: true,
          durationMs: 1,
        }) as never,
      ),
    ],
    1,
  ],
  'failure of a server': [[describeServerEvent({type: 'failure', requestId: `r${CANARY}`, error: new Error(CANARY)} as never)], 1],
  inspection: [
    formatInspection(
      poisoned({
        reference: 'r',
        digest: 'd',
        mediaType: 'm',
        sizeBytes: 1,
        platforms: ['p'],
        annotations: {a: 'b'},
        manifests: [
          {
            platform: 'linux/amd64',
            digest: 'd',
            created: time,
            sizeBytes: 1,
            user: 'u',
            entrypoint: ['e'],
            command: ['c'],
            workingDirectory: 'w',
            exposedPorts: ['1'],
            labels: {l: 'v'},
            layers: [{digest: 'l', sizeBytes: 1}],
          },
          {artifactType: 'sbom', digest: 'd', sizeBytes: 1, layers: []},
        ],
      }) as never,
    ),
    6 + 2 + 10 + 2 + 2,
  ],
}

describe('a report for people', () => {
  for (const [name, [lines, count]] of Object.entries(REPORTS)) {
    it(`has every field of ${name} on its own line, as escapes`, () => {
      assert.equal(lines.length, count, lines.join('\n'))
      for (const line of lines) assertNothingRaw(line, name)
      assert.match(lines.join('\n'), /\\u001b\[31m/)
    })
  }
})
