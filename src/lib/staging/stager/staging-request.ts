/** What a stager is asked: the request of the Cloud Controller to the stager of 2015 (cloudfoundry/stager), as far as images need it. */
import {HoldfastError} from '../../core/errors.ts'
import {Secret} from '../../core/secret.ts'

export interface StagingRequest {
  readonly appId: string
  readonly dockerImage: string
  readonly environment: Readonly<Record<string, string>>
  readonly loginServer?: string | undefined
  readonly user?: string | undefined
  readonly password?: Secret | undefined
  readonly email?: string | undefined
}

/**
 * Reads the JSON of a request.
 * @throws {HoldfastError} USAGE for what is none.
 */
export function parseStagingRequest(text: string): StagingRequest {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The parser would quote the request, and the password in it.
    throw new HoldfastError('USAGE', 'cannot read the staging request: it is not JSON')
  }
  const data = field(json, 'lifecycle_data')
  const textOf = (value: unknown, name: string): string | undefined => {
    const found = field(value, name)
    return typeof found === 'string' && found !== '' ? found : undefined
  }
  const environment = field(json, 'environment')
  const password = textOf(data, 'docker_password')
  return {
    appId: textOf(json, 'app_id') ?? '',
    dockerImage: textOf(data, 'docker_image') ?? '',
    environment: Object.fromEntries(
      (Array.isArray(environment) ? environment : []).flatMap((entry: unknown) => {
        const [name, value] = [field(entry, 'name'), field(entry, 'value')]
        return typeof name === 'string' && typeof value === 'string' ? [[name, value]] : []
      }),
    ),
    loginServer: textOf(data, 'docker_login_server'),
    user: textOf(data, 'docker_user'),
    password: password === undefined ? undefined : new Secret(password),
    email: textOf(data, 'docker_email'),
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
