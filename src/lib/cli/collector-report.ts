/** What a collector knows, as people read it. */

import type {PlannedChange} from '../collector/document/plan.ts'
import type {App, Group, IndexedRepository, ManagedRegistry, Service, User} from '../collector/objects.ts'
import {isProven} from '../collector/registry-place.ts'
import type {AuditRow, IssuedToken, RemovedObject} from '../collector/store.ts'
import {shellCommand} from '../core/shell.ts'
import {type TerminalText, text} from '../core/terminal-text.ts'
import {formatTable} from './table.ts'
import {formatBytes, formatMinute} from './units.ts'

const NONE = '-'

const list = (names: readonly string[]): string => (names.length === 0 ? NONE : names.join(', '))

export function describeUsers(users: readonly User[]): readonly TerminalText[] {
  const rows = users.map(({name, id, source, groups, privileges, isAdministrator, isDisabled}) => [
    name,
    String(id),
    source,
    list(groups),
    list(privileges),
    list([...(isAdministrator ? ['administrator'] : []), ...(isDisabled ? ['disabled'] : [])]),
  ])
  return formatTable(['USER', 'ID', 'SOURCE', 'GROUPS', 'PRIVILEGES', 'STATE'], rows)
}

export function describeGroups(groups: readonly Group[]): readonly TerminalText[] {
  const rows = groups.map(({name, id, kind, members}) => [name, String(id), kind, list(members)])
  return formatTable(['GROUP', 'ID', 'KIND', 'MEMBERS'], rows)
}

export function describePrivileges(
  privileges: readonly {readonly privilege: string; readonly holders: readonly string[]}[],
): readonly TerminalText[] {
  return formatTable(
    ['PRIVILEGE', 'HOLDERS'],
    privileges.map(({privilege, holders}) => [privilege, list(holders)]),
  )
}

export function describeApps(apps: readonly App[]): readonly TerminalText[] {
  const rows = apps.map(({code, id, responsibles, publications}) => [code, String(id), list(responsibles), list(publications)])
  return formatTable(['APP', 'ID', 'RESPONSIBLE', 'PUBLISHED TO'], rows)
}

export function describeServices(services: readonly Service[]): readonly TerminalText[] {
  const rows = services.map(({name, app, isDisabled}) => [name, `${name}@service`, app, isDisabled ? 'disabled' : NONE])
  return formatTable(['SERVICE', 'ACCOUNT', 'APP', 'STATE'], rows)
}

export function describeManagedRegistries(registries: readonly ManagedRegistry[]): readonly TerminalText[] {
  const rows = registries.map((registry) => [
    registry.name,
    registry.url,
    registry.service,
    isProven(registry) ? 'yes' : 'no',
    registry.restricted ? 'yes' : 'no',
    list(registry.responsibles),
    list(registry.publications),
  ])
  return formatTable(['REGISTRY', 'URL', 'SERVICE', 'PROVEN', 'RESTRICTED', 'RESPONSIBLE', 'PUBLISHED TO'], rows)
}

export function describeTokens(tokens: readonly (Omit<IssuedToken, 'subject'> & {readonly account: string})[]): readonly TerminalText[] {
  const rows = tokens.map(({id, account, service, client, createdAt, usedAt, expiresAt}) => [
    String(id),
    account,
    service,
    client,
    formatMinute(createdAt),
    formatMinute(usedAt),
    formatMinute(expiresAt),
  ])
  return formatTable(['ID', 'ACCOUNT', 'REGISTRY', 'CLIENT', 'GIVEN (UTC)', 'USED (UTC)', 'ENDS (UTC)'], rows)
}

export function describeKeys(
  keys: readonly {readonly state: string; readonly since: string; readonly endsAt: string}[],
): readonly TerminalText[] {
  const rows = keys.map(({state, since, endsAt}) => [state, formatMinute(since), formatMinute(endsAt)])
  return formatTable(['KEY', 'SINCE (UTC)', 'ENDS (UTC)'], rows)
}

export function describeRemoved(removed: readonly RemovedObject[]): readonly TerminalText[] {
  const rows = removed.map(({kind, name, id, removedAt}) => [
    kind,
    name,
    id === undefined ? NONE : String(id),
    removedAt === undefined ? NONE : formatMinute(removedAt),
    shellCommand`holdfast ${kind} restore ${name}`,
  ])
  return formatTable(['KIND', 'NAME', 'ID', 'REMOVED (UTC)', 'RESTORED BY'], rows)
}

export function describeAudit(entries: readonly AuditRow[]): readonly TerminalText[] {
  const rows = entries.map(({at, principal, action, object, outcome, rule, reason}) => [
    formatMinute(at),
    principal,
    action,
    object,
    outcome,
    reason === undefined ? rule : `${rule} (${reason})`,
  ])
  return formatTable(['TIME (UTC)', 'WHO', 'ACTION', 'OBJECT', 'OUTCOME', 'RULE'], rows)
}

export function describeDecisions(
  decisions: readonly {
    readonly action: string
    readonly granted: boolean
    readonly rule: string
    readonly reason: string
    readonly remedies?: readonly string[]
  }[],
): readonly TerminalText[] {
  const rows = decisions.map(({action, granted, rule, reason}) => [action, granted ? 'granted' : 'refused', rule, reason])
  const remedies = [...new Set(decisions.flatMap(({remedies = []}) => remedies))]
  return [...formatTable(['ACTION', 'DECISION', 'RULE', 'BECAUSE'], rows), ...remedies.map((remedy) => text`→ ${remedy}`)]
}

export function describeRepositories(
  repositories: readonly (Omit<IndexedRepository, 'name'> & {readonly name: string})[],
): readonly TerminalText[] {
  const rows = repositories.map(({registry, name, stars, pulls, isOfficial, isAutomated, description}) => [
    `${registry}/${name}`,
    String(stars),
    String(pulls),
    isOfficial ? 'yes' : NONE,
    isAutomated ? 'yes' : NONE,
    description || NONE,
  ])
  return formatTable(['REPOSITORY', 'STARS', 'PULLS', 'OFFICIAL', 'AUTOMATED', 'DESCRIPTION'], rows)
}

export function describeIndexedTags(
  tags: readonly {
    readonly tag: string
    readonly digest: string
    readonly pushedAt: string
    readonly attachment?: string
    readonly sizeBytes?: number
  }[],
): readonly TerminalText[] {
  const hasSizes = tags.some(({sizeBytes}) => sizeBytes !== undefined)
  const rows = tags.map(({tag, digest, pushedAt, attachment, sizeBytes}) => [
    tag,
    digest,
    formatMinute(pushedAt),
    ...(hasSizes ? [sizeBytes === undefined ? NONE : formatBytes(sizeBytes)] : []),
    attachment ?? NONE,
  ])
  return formatTable(['TAG', 'DIGEST', 'PUSHED (UTC)', ...(hasSizes ? ['SIZE'] : []), 'CARRIES'], rows)
}

export function describeEvents(
  events: readonly {
    readonly receivedAt: string
    readonly registry: string
    readonly action: string
    readonly repository: string
    readonly tag?: string
    readonly digest?: string
    readonly actor?: string
  }[],
): readonly TerminalText[] {
  const rows = events.map(({receivedAt, registry, action, repository, tag, digest, actor}) => [
    formatMinute(receivedAt),
    registry,
    action,
    `${repository}${tag === undefined ? '' : `:${tag}`}`,
    digest ?? NONE,
    actor ?? NONE,
  ])
  return formatTable(['TIME (UTC)', 'REGISTRY', 'ACTION', 'IMAGE', 'DIGEST', 'WHO'], rows)
}

/** A line for each object, and one for each of its fields that changes. */
export function describeChanges(changes: readonly PlannedChange[]): readonly TerminalText[] {
  const signs = {add: '+', restore: '+', change: '~', remove: '-'} as const
  return changes.flatMap(({action, kind, name, fields}) => [
    text`${signs[action]} ${kind} ${name}${action === 'restore' ? ' (restored)' : ''}`,
    ...fields.map(
      ({field, from, to}) => text`    ${field}: ${from === undefined ? '' : `${JSON.stringify(from)} → `}${JSON.stringify(to)}`,
    ),
  ])
}
