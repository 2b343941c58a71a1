/** The file that `cf login` and `cf target` leave, for a user of the fake foundation. */
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {FakeCloudFoundry} from './fake-cf/fake-cf.ts'

export interface CfSession {
  /** For `CF_HOME`. */
  readonly home: string
  readonly file: string
  read(): Promise<Record<string, unknown>>
}

/** Logs in as cf does, and writes its file below `home`. */
export async function writeCfSession(
  home: string,
  foundation: FakeCloudFoundry,
  {username, password}: {readonly username: string; readonly password: string},
  target: {readonly organization: string; readonly space: string},
): Promise<CfSession> {
  const answer = await fetch(`${foundation.url}/oauth/token`, {
    method: 'POST',
    headers: {authorization: `Basic ${Buffer.from('cf:').toString('base64')}`},
    body: new URLSearchParams({grant_type: 'password', username, password}),
  })
  const tokens = (await answer.json()) as {access_token: string; refresh_token: string}
  const space = foundation.state.spaces.find(({name}) => name === target.space)
  const organization = foundation.state.organizations.find(({name}) => name === target.organization)
  const file = join(home, '.cf', 'config.json')
  await mkdir(join(home, '.cf'), {recursive: true, mode: 0o700})
  const config = {
    ConfigVersion: 4,
    Target: foundation.url,
    APIVersion: '3.228.0',
    AuthorizationEndpoint: foundation.url,
    UaaEndpoint: foundation.url,
    AccessToken: `bearer ${tokens.access_token}`,
    RefreshToken: tokens.refresh_token,
    UAAGrantType: '',
    UAAOAuthClient: 'cf',
    UAAOAuthClientSecret: '',
    OrganizationFields: {GUID: organization?.guid ?? '', Name: target.organization},
    SpaceFields: {GUID: space?.guid ?? '', Name: target.space, AllowSSH: true},
    SSLDisabled: false,
    NetworkPolicyV1Endpoint: `${foundation.url}/networking/v1/external`,
    ColorEnabled: 'false',
    PluginRepos: [{Name: 'CF-Community', URL: 'https://plugins.example.com'}],
    CFOnK8s: {Enabled: false, AuthInfo: ''},
  }
  await writeFile(file, JSON.stringify(config), {mode: 0o600})
  return {home, file, read: async () => JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>}
}
