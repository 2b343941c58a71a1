/** The entry of the program and of its bundle: every command by name, so that nothing is looked for on disk. */
import {fileURLToPath} from 'node:url'
import type {Command} from '@oclif/core/command'
import pjson from '../package.json' with {type: 'json'}
import AuthAllowHelper from './commands/auth/allow-helper.ts'
import AuthConfigureDocker from './commands/auth/configure-docker.ts'
import AuthList from './commands/auth/list.ts'
import CacheImage from './commands/cache-image.ts'
import Cached from './commands/cached.ts'
import Completion from './commands/completion.ts'
import Copy from './commands/copy.ts'
import Inspect from './commands/inspect.ts'
import Login from './commands/login.ts'
import Logout from './commands/logout.ts'
import RegistryAdd from './commands/registry/add.ts'
import RegistryCheck from './commands/registry/check.ts'
import RegistryList from './commands/registry/list.ts'
import RegistryRemove from './commands/registry/remove.ts'
import RegistryShow from './commands/registry/show.ts'
import RegistryUpdate from './commands/registry/update.ts'
import Serve from './commands/serve.ts'
import TagDelete from './commands/tag/delete.ts'
import TagList from './commands/tag/list.ts'
import WhoAmI from './commands/whoami.ts'

import {runProgram} from './lib/cli/run.ts'

/** The folder of package.json, seen from `src/` as from `dist/`. */
const ROOT = fileURLToPath(new URL('..', import.meta.url))

export const COMMANDS: Readonly<Record<string, Command.Class>> = {
  'auth:allow-helper': AuthAllowHelper,
  'auth:configure-docker': AuthConfigureDocker,
  'auth:list': AuthList,
  'cache-image': CacheImage,
  cached: Cached,
  completion: Completion,
  copy: Copy,
  inspect: Inspect,
  login: Login,
  logout: Logout,
  'registry:add': RegistryAdd,
  'registry:check': RegistryCheck,
  'registry:list': RegistryList,
  'registry:remove': RegistryRemove,
  'registry:show': RegistryShow,
  'registry:update': RegistryUpdate,
  serve: Serve,
  'tag:delete': TagDelete,
  'tag:list': TagList,
  whoami: WhoAmI,
}

/** Runs the bundled program; its commands are described by `oclif.manifest.json`. */
export async function main(argv: readonly string[]): Promise<void> {
  await runProgram(argv, {root: ROOT, pjson: packageWithCommands('./dist/main.cjs')})
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
