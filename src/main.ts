/** The entry of the program and of its bundle: every command by name, so that nothing is looked for on disk. */
import {fileURLToPath} from 'node:url'
import type {Command} from '@oclif/core/command'
import pjson from '../package.json' with {type: 'json'}
import AppAdd from './commands/app/add.ts'
import AppCheck from './commands/app/check.ts'
import AppList from './commands/app/list.ts'
import AppRemove from './commands/app/remove.ts'
import AppRestore from './commands/app/restore.ts'
import AppShow from './commands/app/show.ts'
import AppUpdate from './commands/app/update.ts'
import Apply from './commands/apply.ts'
import AuthAllowHelper from './commands/auth/allow-helper.ts'
import AuthConfigureDocker from './commands/auth/configure-docker.ts'
import AuthList from './commands/auth/list.ts'
import Builder from './commands/builder.ts'
import CacheImage from './commands/cache-image.ts'
import Cached from './commands/cached.ts'
import CollectorAudit from './commands/collector/audit.ts'
import CollectorKeysExport from './commands/collector/keys/export.ts'
import CollectorKeysList from './commands/collector/keys/list.ts'
import CollectorKeysRotate from './commands/collector/keys/rotate.ts'
import CollectorRemoved from './commands/collector/removed.ts'
import CollectorRetention from './commands/collector/retention.ts'
import CollectorSettings from './commands/collector/settings.ts'
import CollectorUse from './commands/collector/use.ts'
import Completion from './commands/completion.ts'
import Copy from './commands/copy.ts'
import EgressCommand from './commands/egress.ts'
import Env from './commands/env.ts'
import Events from './commands/events.ts'
import Explain from './commands/explain.ts'
import Export from './commands/export.ts'
import GroupAdd from './commands/group/add.ts'
import GroupAddMember from './commands/group/add-member.ts'
import GroupList from './commands/group/list.ts'
import GroupRemove from './commands/group/remove.ts'
import GroupRemoveMember from './commands/group/remove-member.ts'
import GroupRestore from './commands/group/restore.ts'
import GroupShow from './commands/group/show.ts'
import Inspect from './commands/inspect.ts'
import Login from './commands/login.ts'
import Logout from './commands/logout.ts'
import MirrorDeploy from './commands/mirror/deploy.ts'
import MirrorEvict from './commands/mirror/evict.ts'
import MirrorInit from './commands/mirror/init.ts'
import MirrorList from './commands/mirror/list.ts'
import MirrorRender from './commands/mirror/render.ts'
import MirrorServe from './commands/mirror/serve.ts'
import MirrorStatus from './commands/mirror/status.ts'
import MirrorVerify from './commands/mirror/verify.ts'
import PrivilegeGrant from './commands/privilege/grant.ts'
import PrivilegeList from './commands/privilege/list.ts'
import PrivilegeRevoke from './commands/privilege/revoke.ts'
import RefreshApp from './commands/refresh.ts'
import RegistryAdd from './commands/registry/add.ts'
import RegistryCheck from './commands/registry/check.ts'
import RegistryDeregister from './commands/registry/deregister.ts'
import RegistryDiscover from './commands/registry/discover.ts'
import RegistryListCommand from './commands/registry/list.ts'
import RegistryManage from './commands/registry/manage.ts'
import RegistryManaged from './commands/registry/managed.ts'
import RegistryRegister from './commands/registry/register.ts'
import RegistryRemove from './commands/registry/remove.ts'
import RegistryRender from './commands/registry/render.ts'
import RegistryRenewEventsSecret from './commands/registry/renew-events-secret.ts'
import RegistryRestore from './commands/registry/restore.ts'
import RegistryShow from './commands/registry/show.ts'
import RegistryUnmanage from './commands/registry/unmanage.ts'
import RegistryUpdate from './commands/registry/update.ts'
import RepositoryDelete from './commands/repository/delete.ts'
import RepositoryDescribe from './commands/repository/describe.ts'
import RepositoryList from './commands/repository/list.ts'
import RepositoryShow from './commands/repository/show.ts'
import RepositoryStar from './commands/repository/star.ts'
import RollbackApp from './commands/rollback.ts'
import RotateCredentials from './commands/rotate-credentials.ts'
import Search from './commands/search.ts'
import Serve from './commands/serve.ts'
import ServiceAdd from './commands/service/add.ts'
import ServiceList from './commands/service/list.ts'
import ServiceRemove from './commands/service/remove.ts'
import ServiceRenewSecret from './commands/service/renew-secret.ts'
import ServiceRestore from './commands/service/restore.ts'
import ServiceShow from './commands/service/show.ts'
import ServiceUpdate from './commands/service/update.ts'
import SetEnv from './commands/set-env.ts'
import Stage from './commands/stage.ts'
import StagerArgs from './commands/stager/args.ts'
import TagDelete from './commands/tag/delete.ts'
import TagList from './commands/tag/list.ts'
import TargetCommand from './commands/target.ts'
import TokenList from './commands/token/list.ts'
import TokenRevoke from './commands/token/revoke.ts'
import UnsetEnv from './commands/unset-env.ts'
import UserAdd from './commands/user/add.ts'
import UserList from './commands/user/list.ts'
import UserPassword from './commands/user/password.ts'
import UserRemove from './commands/user/remove.ts'
import UserRestore from './commands/user/restore.ts'
import UserShow from './commands/user/show.ts'
import UserUpdate from './commands/user/update.ts'
import Warm from './commands/warm.ts'
import WhoAmI from './commands/whoami.ts'

import {endLingering} from './lib/cli/last-resort.ts'
import {runProgram} from './lib/cli/run.ts'

/** The folder of package.json, seen from `src/` as from `dist/`. */
const ROOT = fileURLToPath(new URL('..', import.meta.url))

export const COMMANDS: Readonly<Record<string, Command.Class>> = {
  'app:add': AppAdd,
  'app:check': AppCheck,
  'app:list': AppList,
  'app:remove': AppRemove,
  'app:restore': AppRestore,
  'app:show': AppShow,
  'app:update': AppUpdate,
  'auth:allow-helper': AuthAllowHelper,
  'auth:configure-docker': AuthConfigureDocker,
  'auth:list': AuthList,
  'cache-image': CacheImage,
  cached: Cached,
  'mirror:init': MirrorInit,
  'mirror:render': MirrorRender,
  'mirror:deploy': MirrorDeploy,
  'mirror:status': MirrorStatus,
  warm: Warm,
  'mirror:evict': MirrorEvict,
  'mirror:list': MirrorList,
  'mirror:verify': MirrorVerify,
  'mirror:serve': MirrorServe,
  'registry:deregister': RegistryDeregister,
  'registry:register': RegistryRegister,
  'stager:args': StagerArgs,
  egress: EgressCommand,
  builder: Builder,
  'rotate-credentials': RotateCredentials,
  refresh: RefreshApp,
  rollback: RollbackApp,
  stage: Stage,
  env: Env,
  'unset-env': UnsetEnv,
  'set-env': SetEnv,
  'collector:audit': CollectorAudit,
  'collector:keys:export': CollectorKeysExport,
  'collector:keys:list': CollectorKeysList,
  'collector:keys:rotate': CollectorKeysRotate,
  'collector:removed': CollectorRemoved,
  'collector:retention': CollectorRetention,
  'collector:settings': CollectorSettings,
  'collector:use': CollectorUse,
  completion: Completion,
  copy: Copy,
  'group:add-member': GroupAddMember,
  'group:add': GroupAdd,
  'group:list': GroupList,
  'group:remove-member': GroupRemoveMember,
  'group:remove': GroupRemove,
  'group:restore': GroupRestore,
  'group:show': GroupShow,
  explain: Explain,
  search: Search,
  events: Events,
  'registry:discover': RegistryDiscover,
  'repository:delete': RepositoryDelete,
  'repository:describe': RepositoryDescribe,
  'repository:list': RepositoryList,
  'repository:show': RepositoryShow,
  'repository:star': RepositoryStar,
  apply: Apply,
  export: Export,
  inspect: Inspect,
  login: Login,
  logout: Logout,
  'privilege:grant': PrivilegeGrant,
  'privilege:list': PrivilegeList,
  'privilege:revoke': PrivilegeRevoke,
  'registry:add': RegistryAdd,
  'registry:check': RegistryCheck,
  'registry:list': RegistryListCommand,
  'registry:manage': RegistryManage,
  'registry:managed': RegistryManaged,
  'registry:remove': RegistryRemove,
  'registry:renew-events-secret': RegistryRenewEventsSecret,
  'registry:render': RegistryRender,
  'registry:restore': RegistryRestore,
  'registry:show': RegistryShow,
  'registry:unmanage': RegistryUnmanage,
  'registry:update': RegistryUpdate,
  serve: Serve,
  'service:add': ServiceAdd,
  'service:list': ServiceList,
  'service:remove': ServiceRemove,
  'service:renew-secret': ServiceRenewSecret,
  'service:restore': ServiceRestore,
  'service:show': ServiceShow,
  'service:update': ServiceUpdate,
  'tag:delete': TagDelete,
  'tag:list': TagList,
  target: TargetCommand,
  'token:list': TokenList,
  'token:revoke': TokenRevoke,
  'user:add': UserAdd,
  'user:list': UserList,
  'user:password': UserPassword,
  'user:remove': UserRemove,
  'user:restore': UserRestore,
  'user:show': UserShow,
  'user:update': UserUpdate,
  whoami: WhoAmI,
}

/** Runs the bundled program; its commands are described by `oclif.manifest.json`. */
export async function main(argv: readonly string[]): Promise<void> {
  await runProgram(argv, {root: ROOT, pjson: packageWithCommands('./dist/main.cjs')})
  endLingering()
}

/** Runs the source, whose commands describe themselves. */
export async function mainFromSource(argv: readonly string[]): Promise<void> {
  await runProgram(argv, sourceOptions())
}

/** How oclif loads the commands from their source. */
export function sourceOptions() {
  return {root: ROOT, ignoreManifest: true, pjson: packageWithCommands('./src/main.ts')}
}

function packageWithCommands(target: string) {
  const commands = {strategy: 'explicit' as const, target, identifier: 'COMMANDS'}
  return {...pjson, oclif: {...pjson.oclif, topicSeparator: ' ' as const, commands}}
}
