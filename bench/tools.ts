/** The tools that compete: how each is asked to copy one image from one registry to another. */
import type {Command} from './measure.ts'
import type {Certificates} from './servers/certificates.ts'
import type {DockerRegistry} from './servers/docker-registry.ts'

/** Two registries that a tool copies between, both over plain HTTP or both over TLS. */
export interface Route {
  readonly source: DockerRegistry
  readonly target: DockerRegistry
  readonly certificates?: Certificates
}

/** A tool that copies single images and keeps nothing between runs. */
export interface CopyTool {
  readonly name: string
  /** Copies `repository:tag` of the source to the same name at the target, all platforms. */
  copy(route: Route, image: string, environment: Command['environment']): Command
}

const SKOPEO = ['skopeo', '--insecure-policy']

export const skopeo: CopyTool = {
  name: 'skopeo',
  copy: ({source, target, certificates}, image, environment) => {
    const trust =
      certificates === undefined
        ? ['--src-tls-verify=false', '--dest-tls-verify=false']
        : ['--src-cert-dir', certificates.caFolder, '--dest-cert-dir', certificates.caFolder]
    return {
      argv: [...SKOPEO, 'copy', '--all', ...trust, `docker://${source.host}/${image}`, `docker://${target.host}/${image}`],
      environment,
    }
  },
}

const crane: CopyTool = {
  name: 'crane',
  copy: ({source, target, certificates}, image, environment) => {
    const copy = [`${source.host}/${image}`, `${target.host}/${image}`]
    return certificates === undefined
      ? {argv: ['crane', 'copy', '--insecure', ...copy], environment}
      : {argv: ['crane', 'copy', ...copy], environment: {...environment, SSL_CERT_FILE: certificates.caFile}}
  },
}

const regctl: CopyTool = {
  name: 'regctl',
  copy: ({source, target, certificates}, image, environment) => {
    const hosts = [source.host, target.host].flatMap((host) => (certificates === undefined ? ['--host', `reg=${host},tls=disabled`] : []))
    const trust = certificates === undefined ? {} : {SSL_CERT_FILE: certificates.caFile}
    const copy = [`${source.host}/${image}`, `${target.host}/${image}`]
    return {argv: ['regctl', ...hosts, 'image', 'copy', ...copy], environment: {...environment, ...trust}}
  },
}

/** Compared with where they are installed; nothing is required of us against them. */
export const OPTIONAL_TOOLS: readonly CopyTool[] = [crane, regctl]

/** skopeo's way to copy many images with one process: a list in a file. */
export function skopeoSync({target}: Route, listFile: string, environment: Command['environment']): Command {
  const argv = [...SKOPEO, 'sync', '--src', 'yaml', '--dest', 'docker', '--dest-tls-verify=false', listFile, target.host]
  return {argv, environment}
}

/** The list that `skopeoSync` reads; JSON is YAML. */
export function skopeoSyncList({source}: Route, repositories: readonly string[], tag: string): string {
  const images = Object.fromEntries(repositories.map((repository) => [repository, [tag]]))
  return JSON.stringify({[source.host]: {'tls-verify': false, images}})
}
