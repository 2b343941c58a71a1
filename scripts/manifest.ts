/** `oclif.manifest.json`: what the commands are, so that the program need not load them to find one. */
import {Config, Plugin} from '@oclif/core/config'
import {sourceOptions} from '../src/main.ts'

const INDENT = 2

/** The text of the manifest, as the source of the commands has it. */
export async function describeCommands(): Promise<string> {
  const config = await Config.load({...sourceOptions(), errorOnManifestCreate: true, respectNoCacheDefault: true})
  const [plugin] = config.plugins.values()
  if (!(plugin instanceof Plugin)) throw new Error('oclif loaded no commands')
  const {commands, version} = plugin.manifest
  return `${JSON.stringify({commands, version}, undefined, INDENT)}\n`
}
