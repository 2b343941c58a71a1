/** The `registry` commands as a program of their own, run from their source. */
import {readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'
import RegistryAdd from '../../src/commands/registry/add.ts'
import RegistryCheck from '../../src/commands/registry/check.ts'
import RegistryList from '../../src/commands/registry/list.ts'
import RegistryRemove from '../../src/commands/registry/remove.ts'
import RegistryShow from '../../src/commands/registry/show.ts'
import RegistryUpdate from '../../src/commands/registry/update.ts'
import {runProgram} from '../../src/lib/cli/run.ts'

export const COMMANDS = {
  'registry:add': RegistryAdd,
  'registry:check': RegistryCheck,
  'registry:list': RegistryList,
  'registry:remove': RegistryRemove,
  'registry:show': RegistryShow,
  'registry:update': RegistryUpdate,
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const pjson = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const commands = {...pjson.oclif.commands, target: './test/commands/registry-program.ts'}
  // Not awaited: oclif imports this very module for its commands, and would wait for it to end.
  void runProgram(process.argv.slice(2), {root, ignoreManifest: true, pjson: {...pjson, oclif: {...pjson.oclif, commands}}})
}
