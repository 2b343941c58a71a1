/** A docker configuration with passwords, as `docker login` leaves it without a keychain. */
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'

export interface Account {
  readonly username: string
  readonly password: string
}

/** Writes `config.json` below `directory`; answers the environment that names it. */
export async function writeDockerConfig(
  directory: string,
  accounts: Readonly<Record<string, Account>>,
): Promise<{readonly DOCKER_CONFIG: string}> {
  const folder = join(directory, 'docker-config')
  await mkdir(folder, {recursive: true})
  const auths = Object.fromEntries(
    Object.entries(accounts).map(([host, {username, password}]) => [
      host,
      {auth: Buffer.from(`${username}:${password}`).toString('base64')},
    ]),
  )
  await writeFile(join(folder, 'config.json'), JSON.stringify({auths}), {mode: 0o600})
  return {DOCKER_CONFIG: folder}
}
