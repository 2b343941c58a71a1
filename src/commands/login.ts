import * as Args from '@oclif/core/args'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../lib/cli/base-command.ts'
import type {CloudFoundryProof} from '../lib/cli/cloud-foundry-proof.ts'
import {confirmRealm} from '../lib/cli/confirm-realm.ts'
import type {Context} from '../lib/cli/context.ts'
import {findLoginPlace} from '../lib/cli/login-place.ts'
import {describeDeviceCode, describeKept, describeLogin} from '../lib/cli/login-report.ts'
import {readSecret} from '../lib/cli/standard-input.ts'
import {TRUST_FLAGS} from '../lib/cli/transfer-flags.ts'
import {type TerminalText, text} from '../lib/core/terminal-text.ts'
import type {DeviceCode} from '../lib/login/identity-provider.ts'
import type {LoginRequest} from '../lib/login/log-in.ts'
import type {SignOnRequest} from '../lib/login/sso.ts'

interface LoginResult {
  readonly registry: string
  readonly pathPrefix?: string
  readonly account: string
  /** How the registry asks who one is. */
  readonly scheme: 'none' | 'basic' | 'bearer'
  readonly kept: 'identity-token' | 'password'
  /** Whether the registry was seen to let in what is kept. */
  readonly isProven: boolean
  /** The keychain that keeps it. */
  readonly keychain: string
  /** Why a password is kept. */
  readonly reason?: string
  readonly expiresAt?: string
  /** What is targeted at a Cloud Foundry. */
  readonly organization?: string
  readonly space?: string
}

interface CloudFoundryFlags {
  readonly cf: string
  readonly org?: string | undefined
  readonly space?: string | undefined
  readonly origin?: string | undefined
  readonly username?: string | undefined
  readonly 'password-stdin': boolean
  readonly 'passcode-stdin': boolean
  readonly 'client-credentials': boolean
  readonly 'skip-ssl-validation': boolean
}

interface AskingFlags {
  readonly username?: string | undefined
  readonly service?: string | undefined
  readonly 'password-stdin': boolean
  readonly 'identity-token-stdin': boolean
}

/** The account under which an identity token stands that was given without one, as docker has it. */
const TOKEN_ACCOUNT = '<token>'

export default class Login extends BaseCommand<LoginResult> {
  static override readonly summary = 'Log in to a registry, and keep what proves it in the keychain of this system.'
  static override readonly description =
    `A password is exchanged for an identity token where the registry gives one, and only the token is kept; where it gives none, the password is kept, and Holdfast says so.
Nothing is kept that the registry refuses. If the registry does not authenticate clients at its root, Holdfast keeps the login without a proof and says so. With a path, it proves the login at that repository.
The secret goes to the registry, or to the token endpoint that it names: on its own host, on a host that is known to belong to it, or on one that you trust by --trust-host or on a terminal.
REGISTRY is a declared name, a host, or either with a path: docker.io/acme is for the repositories below acme.
On a terminal, user name and password are asked for. There is no flag for a password: arguments are seen by everybody on the machine.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> registry.example.com',
    'echo "$PASSWORD" | <%= config.bin %> <%= command.id %> docker.io --username ann --password-stdin',
    '<%= config.bin %> <%= command.id %> docker.io/acme --username ci --identity-token-stdin < token',
    {
      description: 'With a browser, where the collector has an identity provider',
      command: '<%= config.bin %> <%= command.id %> registry.example.com --sso',
    },
    {
      description: 'Where the token endpoint is on another host',
      command: '<%= config.bin %> <%= command.id %> registry.example.com --trust-host auth.example.com',
    },
    {
      description: 'At a Cloud Foundry, where there is no cf command line',
      command:
        'echo "$PASSWORD" | <%= config.bin %> <%= command.id %> --cf https://api.example.com --org acme --space dev --username ann --password-stdin',
    },
    {
      description: 'As a service, with its own secret',
      command: '<%= config.bin %> <%= command.id %> --service web --password-stdin < secret',
    },
  ]
  static override readonly args = {registry: Args.string({description: 'name, host, or host/path; the default registry when absent'})}
  static override readonly flags = {
    username: Flags.string({
      char: 'u',
      env: 'HOLDFAST_USERNAME',
      helpValue: 'NAME',
      summary: 'Who logs in; %as_service% is the account of --service.',
    }),
    'password-stdin': Flags.boolean({exclusive: ['identity-token-stdin'], summary: 'Read the password from standard input.'}),
    'identity-token-stdin': Flags.boolean({summary: 'Read an identity (refresh) token from standard input.'}),
    'token-only': Flags.boolean({env: 'HOLDFAST_TOKEN_ONLY', summary: 'Refuse where only the password could be kept.'}),
    service: Flags.string({env: 'HOLDFAST_SERVICE', helpValue: 'NAME', summary: 'Log in as this service, with its own secret.'}),
    ...TRUST_FLAGS,
    sso: Flags.boolean({
      env: 'HOLDFAST_SSO',
      exclusive: ['username', 'service', 'password-stdin', 'identity-token-stdin'],
      summary: 'Log in with a browser, here or elsewhere, at the identity provider of the collector.',
    }),
    cf: Flags.string({
      exclusive: ['sso', 'service', 'identity-token-stdin', 'token-only'],
      helpGroup: 'CLOUD FOUNDRY',
      helpValue: 'API',
      summary: 'Log in to this Cloud Foundry instead of a registry; not needed after `cf login`.',
    }),
    org: Flags.string({
      env: 'HOLDFAST_ORG',
      dependsOn: ['cf'],
      helpGroup: 'CLOUD FOUNDRY',
      helpValue: 'NAME',
      summary: 'The org to target.',
    }),
    space: Flags.string({
      env: 'HOLDFAST_SPACE',
      dependsOn: ['cf', 'org'],
      helpGroup: 'CLOUD FOUNDRY',
      helpValue: 'NAME',
      summary: 'The space to target.',
    }),
    origin: Flags.string({
      env: 'HOLDFAST_ORIGIN',
      dependsOn: ['cf'],
      helpGroup: 'CLOUD FOUNDRY',
      helpValue: 'NAME',
      summary: 'The identity provider of the user.',
    }),
    'passcode-stdin': Flags.boolean({
      dependsOn: ['cf'],
      exclusive: ['password-stdin'],
      helpGroup: 'CLOUD FOUNDRY',
      summary: 'Read a one-time passcode, as the login server gives after single sign-on, from standard input.',
    }),
    'client-credentials': Flags.boolean({
      env: 'HOLDFAST_CLIENT_CREDENTIALS',
      dependsOn: ['cf'],
      helpGroup: 'CLOUD FOUNDRY',
      summary: 'User name and password are the id and the secret of a client.',
    }),
    'skip-ssl-validation': Flags.boolean({
      env: 'HOLDFAST_SKIP_SSL_VALIDATION',
      dependsOn: ['cf'],
      helpGroup: 'CLOUD FOUNDRY',
      summary: 'Do not check the certificates of the foundation.',
    }),
    'identity-provider': Flags.string({
      env: 'HOLDFAST_IDENTITY_PROVIDER',
      helpValue: 'NAME',
      dependsOn: ['sso'],
      summary: 'Which one, where the collector has several.',
    }),
  }

  async run(): Promise<LoginResult> {
    const {args, flags} = await this.parse(Login)
    const context = this.openContext(flags)
    if (flags.cf !== undefined) return await this.#logInToCloudFoundry(context, {...flags, cf: flags.cf})
    const [records, {logIn}, {findEndpoint}] = await Promise.all([
      context.records(),
      import('../lib/login/log-in.ts'),
      import('../lib/registries/find.ts'),
    ])
    const {pathPrefix, nameOrHost} = await findLoginPlace(records, args.registry, 'login')
    const {endpoint, subject} = await findEndpoint(records, nameOrHost, context.signal)
    await records.prepareForWriting()
    const asked = flags.sso
      ? await this.#signOn(context, {endpoint, subject, provider: flags['identity-provider']})
      : {endpoint, ...(await this.#ask(flags, endpoint.registry))}
    const keychain = await context.keychain()
    const outcome = await logIn(
      {...asked, subject, pathPrefix, tokenOnly: flags['token-only']},
      {
        ...(await context.loginNetwork()),
        logins: await context.logins(),
        records,
        confirmRealm: confirmRealm(this.prompts),
        now: () => new Date(),
      },
    )
    const {login, scheme, isProven, reason} = outcome
    const {account} = asked
    for (const line of describeLogin(outcome)) this.output.print(line)
    for (const line of describeKept(outcome, keychain.name)) this.output.note(line)
    return {
      registry: endpoint.registry,
      ...(pathPrefix === undefined ? {} : {pathPrefix}),
      account,
      scheme,
      kept: login.kind,
      isProven,
      keychain: keychain.name,
      ...(reason === undefined ? {} : {reason}),
      ...(login.expiresAt === undefined ? {} : {expiresAt: login.expiresAt}),
    }
  }

  async #logInToCloudFoundry(context: Context, flags: CloudFoundryFlags): Promise<LoginResult> {
    const {logInToCloudFoundry} = await import('../lib/cli/cloud-foundry-login.ts')
    const proof = await this.#cloudFoundryProof(flags)
    const insecure = flags['skip-ssl-validation'] === true
    const {api, organization, space} = await logInToCloudFoundry(context, {
      api: flags.cf,
      organization: flags.org,
      space: flags.space,
      insecure,
      proof,
    })
    const account = proof.kind === 'password' ? proof.username : proof.kind === 'client' ? proof.clientId : 'passcode'
    const keychain = await context.keychain()
    this.output.print(text`Logged in to ${api} as ${account}`)
    this.output.note(
      space === undefined
        ? text`no space is targeted: --org ORG --space SPACE`
        : text`space "${space}" of org "${organization ?? ''}" is targeted`,
    )
    return {
      registry: new URL(api).host,
      account,
      scheme: 'bearer',
      kept: proof.kind === 'client' ? 'password' : 'identity-token',
      isProven: true,
      keychain: keychain.name,
      ...(organization === undefined ? {} : {organization}),
      ...(space === undefined ? {} : {space}),
    }
  }

  async #cloudFoundryProof(flags: CloudFoundryFlags): Promise<CloudFoundryProof> {
    if (flags['passcode-stdin']) return {kind: 'passcode', passcode: await readSecret('--passcode-stdin')}
    const {account: username, secret} = await this.#ask({...flags, service: undefined, 'identity-token-stdin': false}, flags.cf)
    const password = secret.value
    if (flags['client-credentials']) return {kind: 'client', clientId: username, clientSecret: password}
    return {kind: 'password', username, password, origin: flags.origin}
  }

  async #signOn(context: Context, request: Omit<SignOnRequest, 'show'>): Promise<Pick<LoginRequest, 'account' | 'secret' | 'endpoint'>> {
    const {signOn} = await import('../lib/login/sso.ts')
    const show = (code: DeviceCode): void => this.output.instruct(describeDeviceCode(code))
    const network = {...(await context.loginNetwork()), confirmRealm: confirmRealm(this.prompts)}
    const {account, identityToken, endpoint} = await signOn({...request, show}, network)
    return {account, endpoint, secret: {kind: 'identity-token', value: identityToken}}
  }

  async #ask(flags: AskingFlags, registry: string): Promise<Pick<LoginRequest, 'account' | 'secret'>> {
    const account = await this.#account(flags)
    return {account, secret: await this.#secret(flags, text`Password of ${account} at ${registry}:`)}
  }

  async #account(flags: AskingFlags): Promise<string> {
    const {expandServiceAccount, serviceAccount} = await import('../lib/credentials/service-account.ts')
    const {username, service} = flags
    if (username !== undefined) return expandServiceAccount(username, service)
    if (service !== undefined) return serviceAccount(service)
    if (flags['identity-token-stdin']) return TOKEN_ACCOUNT
    return await this.prompts.input({
      message: text`User name:`,
      flag: '--username NAME --password-stdin < FILE',
      validate: (value) => value !== '' || text`It is empty.`,
    })
  }

  async #secret(flags: AskingFlags, message: TerminalText): Promise<LoginRequest['secret']> {
    if (flags['identity-token-stdin']) return {kind: 'identity-token', value: await readSecret('--identity-token-stdin')}
    if (flags['password-stdin']) return {kind: 'password', value: await readSecret('--password-stdin')}
    return {kind: 'password', value: await this.prompts.secret({message, flag: '--password-stdin < FILE'})}
  }
}
