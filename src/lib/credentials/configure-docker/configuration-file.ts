/** Which file of docker or podman is changed when none is named. */
import {join} from 'node:path'
import type {DockerConfigEnvironment} from '../docker-config/paths.ts'
import type {ConfiguredTool} from './configure.ts'

/**
 * Docker's `config.json`; for podman `$REGISTRY_AUTH_FILE`, else the `containers/auth.json` of the user's configuration, which outlives the session, unlike the one
 * that `podman login` writes into `$XDG_RUNTIME_DIR` (containers-auth.json(5): both are read).
 */
export function configurationFile(tool: ConfiguredTool, environment: DockerConfigEnvironment, homeDirectory: string): string {
  const {REGISTRY_AUTH_FILE, XDG_CONFIG_HOME, DOCKER_CONFIG} = environment
  if (tool === 'docker') return join(DOCKER_CONFIG || join(homeDirectory, '.docker'), 'config.json')
  return REGISTRY_AUTH_FILE || join(XDG_CONFIG_HOME || join(homeDirectory, '.config'), 'containers', 'auth.json')
}
