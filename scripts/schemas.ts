/** The JSON Schemas of the results of commands that ask a collector: their shapes are those of its operations. */
import type {TSchema} from 'typebox'
import {discoverRegistry, explainAccess, searchRepositories} from '../src/lib/collector/api/access.ts'
import {addApp, updateApp} from '../src/lib/collector/api/apps.ts'
import {deleteRepositories} from '../src/lib/collector/api/deletions.ts'
import {applyAll, exportAll} from '../src/lib/collector/api/document.ts'
import {
  addGroup,
  addMembers,
  grantPrivilege,
  listGroups,
  listPrivileges,
  removeMembers,
  revokePrivilege,
  showGroup,
} from '../src/lib/collector/api/groups.ts'
import {exportKeys, listKeys} from '../src/lib/collector/api/keys.ts'
import {listAudit, listEvents} from '../src/lib/collector/api/logs.ts'
import {shape} from '../src/lib/collector/api/operation.ts'
import {listManagedRegistries, manageRegistry, renewEventsSecret} from '../src/lib/collector/api/registries.ts'
import {describeRepository, listRepositories, showRepository, starRepository} from '../src/lib/collector/api/repositories.ts'
import {listRemoved, restoreApp, restoreGroup, restoreRegistry, restoreService, restoreUser} from '../src/lib/collector/api/restore.ts'
import {RetentionResult} from '../src/lib/collector/api/retention.ts'
import {addService, listServices, renewServiceSecret, showService, updateService} from '../src/lib/collector/api/services.ts'
import {showSettings} from '../src/lib/collector/api/settings.ts'
import {Removed} from '../src/lib/collector/api/shapes.ts'
import {listTokens, revokeToken} from '../src/lib/collector/api/tokens.ts'
import {addUser, changePassword, listUsers, showUser, updateUser} from '../src/lib/collector/api/users.ts'

const RESULTS: Readonly<Record<string, TSchema>> = {
  'app add': addApp.output,
  'app remove': Removed,
  'app restore': restoreApp.output,
  'app update': updateApp.output,
  apply: applyAll.output,
  export: exportAll.output,
  'collector audit': listAudit.output,
  'collector keys export': exportKeys.output,
  'collector keys list': listKeys.output,
  'collector keys rotate': listKeys.output,
  'collector removed': listRemoved.output,
  'collector retention': RetentionResult,
  'collector settings': showSettings.output,
  events: listEvents.output,
  explain: explainAccess.output,
  'group add': addGroup.output,
  'group add-member': addMembers.output,
  'group list': listGroups.output,
  'group remove': Removed,
  'group remove-member': removeMembers.output,
  'group restore': restoreGroup.output,
  'group show': showGroup.output,
  'privilege grant': grantPrivilege.output,
  'privilege list': listPrivileges.output,
  'privilege revoke': revokePrivilege.output,
  'registry discover': discoverRegistry.output,
  'registry manage': manageRegistry.output,
  'registry managed': listManagedRegistries.output,
  'registry renew-events-secret': renewEventsSecret.output,
  'registry restore': restoreRegistry.output,
  'registry unmanage': Removed,
  'repository delete': deleteRepositories.output,
  'repository describe': describeRepository.output,
  'repository list': shape({repositories: listRepositories.output.properties.repositories}),
  'repository show': showRepository.output,
  'repository star': starRepository.output,
  search: searchRepositories.output,
  'service add': addService.output,
  'service list': listServices.output,
  'service remove': Removed,
  'service renew-secret': renewServiceSecret.output,
  'service restore': restoreService.output,
  'service show': showService.output,
  'service update': updateService.output,
  'token list': listTokens.output,
  'token revoke': revokeToken.output,
  'user add': addUser.output,
  'user list': listUsers.output,
  'user password': changePassword.output,
  'user remove': Removed,
  'user restore': restoreUser.output,
  'user show': showUser.output,
  'user update': updateUser.output,
}

/** File name in `schemas/` to content. */
export function describeResults(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(RESULTS).map(([command, schema]) => {
      const file = `${command.replaceAll(' ', '-')}.schema.json`
      const head = {$schema: 'https://json-schema.org/draft/2020-12/schema', $id: file, title: `Result of ${command}`}
      return [file, `${JSON.stringify({...head, ...schema}, undefined, 2)}\n`]
    }),
  )
}
