/**
 * A Cloud Controller (API v3.228), UAA and network policy server with state, on loopback: what the public API documents of Cloud Foundry say, in the parts that staging an image
 * needs. It runs no containers; its instances ask the registry for their image as a cell would, whenever one starts.
 */
import {randomUUID} from 'node:crypto'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {unzipSync} from 'fflate'
import {parse as parseYaml} from 'yaml'
import {Deployments} from './deployments.ts'
import {
  badBody,
  badQuery,
  ControllerFailure,
  featureDisabled,
  invalidToken,
  notAuthenticated,
  notAuthorized,
  notFound,
  unprocessable,
} from './errors.ts'
import {type ImageCredentials, type Instance, resolveImage} from './instances.ts'
import {isSelected} from './label-selector.ts'
import {changeMetadata, changePackage, metadataIn} from './metadata.ts'
import {type App, type Droplet, noMetadata, type Package, type Policy, type SecurityGroup, State} from './state.ts'
import {type FakeClient, FakeUaa, type FakeUser} from './uaa.ts'
import * as view from './views.ts'

const DEFAULT_PAGE = 50
const MAX_PAGE = 5000
const DEFAULT_POLLS = 2

export interface FakeCloudFoundryOptions {
  readonly port?: number
  readonly accessTokenSeconds?: number
  /** A refresh token is good once. */
  readonly rotate?: boolean
  /** How often a build or a deployment is asked for before it is done. */
  readonly pollsUntilDone?: number
  /** The root says that it wants credentials of Kubernetes. */
  readonly onKubernetes?: boolean
  /** What an image's registry answers for it; its own registry is asked when absent. */
  readonly resolveImage?: typeof resolveImage
  /** Runs what an instance is to run; without it an instance only looks at its image. */
  readonly runner?: InstanceRunner
}

/** A cell that runs something. */
export interface InstanceRunner {
  /** Settles when the instance answers and is routed to; rejects when it does not come up. */
  start(app: App, droplet: Droplet): Promise<RunningInstance>
}

export interface RunningInstance {
  /** Takes it from its routes, then ends it. */
  stop(): Promise<void>
}

/** An answer without a body: what is done later, and where to ask. */
class Accepted {
  readonly location: string

  constructor(location: string) {
    this.location = location
  }
}

export interface RecordedRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly status: number
  readonly body: string
}

export interface NewApp {
  readonly name: string
  readonly image?: string
  readonly credentials?: ImageCredentials
  readonly variables?: Readonly<Record<string, string>>
  readonly instances?: number
  readonly lifecycle?: 'docker' | 'buildpack'
  readonly state?: 'STARTED' | 'STOPPED'
}

type Body = Readonly<Record<string, unknown>>

interface Call {
  readonly query: URLSearchParams
  readonly body: Body
  /** As it came, where it is no JSON. */
  readonly text: Buffer
  readonly type: string
  readonly principal: {readonly name: string; readonly role: 'admin' | 'developer' | 'auditor'}
  readonly parameters: readonly string[]
}

interface Route {
  readonly method: string
  readonly pattern: RegExp
  /** Query parameters that it knows. */
  readonly query: readonly string[]
  readonly status: number
  readonly answer: (call: Call) => unknown
}

const PAGING = ['per_page', 'page', 'order_by', 'include', 'label_selector']

export class FakeCloudFoundry {
  readonly state = new State()
  readonly uaa: FakeUaa
  readonly deployments: Deployments
  readonly requests: RecordedRequest[] = []
  url = ''
  readonly #options: FakeCloudFoundryOptions
  readonly #routes: readonly Route[]
  readonly #disabledFeatures = new Set<string>()
  readonly #running = new Map<Instance, RunningInstance>()
  readonly #states = new Map<string, Instance['state']>()
  #failures: {left: number; status: number} = {left: 0, status: 502}
  #rateLimits: {left: number; headers: Readonly<Record<string, string>>} = {left: 0, headers: {}}
  #failingBuild: string | undefined
  #isCancelling = false
  #failingPage: number | undefined
  #close: () => Promise<void> = async () => {}

  constructor(options: FakeCloudFoundryOptions = {}) {
    this.#options = options
    this.deployments = new Deployments({
      state: this.state,
      pollsUntilDone: options.pollsUntilDone,
      start: (app, index) => this.#startInstance(app, index),
      end: (instance) => this.#endInstance(instance),
    })
    this.uaa = new FakeUaa({accessTokenSeconds: options.accessTokenSeconds ?? 600, rotate: options.rotate ?? false})
    this.#routes = this.#makeRoutes()
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#handle(request, response))
    await new Promise<void>((resolve) => server.listen(this.#options.port ?? 0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    this.#close = () => new Promise((resolve) => void server.close(() => resolve()).closeAllConnections())
  }

  async stop(): Promise<void> {
    for (const running of this.#running.values()) await running.stop()
    await this.#close()
  }

  addUser(user: FakeUser): void {
    this.uaa.users.set(user.name, user)
  }

  addClient(client: FakeClient): void {
    this.uaa.clients.set(client.id, client)
  }

  addSpace(organization: string, name: string): {readonly organizationGuid: string; readonly spaceGuid: string} {
    const known = this.state.organizations.find((one) => one.name === organization)
    const organizationGuid = known?.guid ?? randomUUID()
    if (known === undefined) this.state.organizations.push({guid: organizationGuid, name: organization})
    const spaceGuid = randomUUID()
    this.state.spaces.push({guid: spaceGuid, name, organizationGuid})
    return {organizationGuid, spaceGuid}
  }

  /** An app as `cf push` leaves it: staged and running, its instances with what their image resolved to. */
  async addApp(
    spaceGuid: string,
    {name, image, credentials, variables = {}, instances = 1, lifecycle = 'docker', state = 'STARTED'}: NewApp,
  ): Promise<App> {
    const createdAt = new Date().toISOString()
    const app: App = {
      guid: randomUUID(),
      name,
      spaceGuid,
      lifecycle,
      state,
      variables: new Map(Object.entries(variables)),
      annotations: new Map(),
      labels: new Map(),
      dropletGuid: undefined,
      wantedInstances: instances,
      routes: [],
      instances: [],
      createdAt,
    }
    this.state.apps.push(app)
    if (image === undefined) return app
    const made = {guid: randomUUID(), appGuid: app.guid, image, credentials, createdAt, metadata: noMetadata()}
    this.state.packages.push(made)
    const droplet = {guid: randomUUID(), appGuid: app.guid, packageGuid: made.guid, image, credentials, metadata: noMetadata()}
    this.state.droplets.push(droplet)
    app.dropletGuid = droplet.guid
    await this.#startInstances(app)
    return app
  }

  app(name: string): App {
    const app = this.state.apps.find((one) => one.name === name)
    if (app === undefined) throw new Error(`the fake foundation has no app ${name}`)
    return app
  }

  /** Other instances beside those that run: each pulls its image now. */
  async scale(name: string, count: number): Promise<void> {
    const app = this.app(name)
    app.wantedInstances = count
    app.instances = [...app.instances.slice(0, count)]
    while (app.instances.length < count) app.instances.push(await this.#startInstance(app, app.instances.length))
  }

  /** Every instance starts anew. */
  async restart(name: string): Promise<void> {
    await this.#startInstances(this.app(name))
  }

  /** Instances of an app that are started with it do not pull their image, and are in that state; `pulls`: they pull it again. */
  startAs(name: string, state: Instance['state'] | 'pulls'): void {
    if (state === 'pulls') this.#states.delete(name)
    else this.#states.set(name, state)
  }

  failNext(count: number, status: number): void {
    this.#failures = {left: count, status}
  }

  /** @param told how long to wait in seconds, or the headers that say it otherwise. */
  rateLimitNext(count: number, told: number | Readonly<Record<string, string>>): void {
    this.#rateLimits = {left: count, headers: typeof told === 'number' ? {'retry-after': String(told)} : told}
  }

  disableFeature(name: string): void {
    this.#disabledFeatures.add(name)
  }

  enableFeature(name: string): void {
    this.#disabledFeatures.delete(name)
  }

  /** Whether the foundation can pull the image of a package with its credentials. */
  async canPull({image = '', credentials}: Package): Promise<boolean> {
    return await this.#resolveImage(image, credentials).then(
      () => true,
      () => false,
    )
  }

  /** The next deployment is cancelled by another user while it is under way. */
  cancelNextDeployment(isCancelled = true): void {
    this.#isCancelling = isCancelled
  }

  /** The next build ends with this error; undefined takes that back. */
  failNextBuild(error: string | undefined): void {
    this.#failingBuild = error
  }

  /** That page of any list is answered with 500, until told otherwise. */
  failPage(page: number | undefined): void {
    this.#failingPage = page
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    const text = bytes.toString('utf8')
    const path = request.url ?? '/'
    const send = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void => {
      this.requests.push({method: request.method ?? '', path, status, body: text})
      const isText = typeof body === 'string'
      response.writeHead(status, {'content-type': isText ? 'text/html' : 'application/json; charset=utf-8', ...headers})
      response.end(isText ? body : JSON.stringify(body ?? {}))
    }
    try {
      await this.#route(request, new URL(path, this.url), bytes, send)
    } catch (error) {
      if (!(error instanceof ControllerFailure)) throw error
      send(error.status, {errors: error.errors}, error.headers)
    }
  }

  async #route(
    request: IncomingMessage,
    url: URL,
    bytes: Buffer,
    send: (status: number, body: unknown, headers?: Readonly<Record<string, string>>) => void,
  ): Promise<void> {
    if (url.pathname === '/') return send(200, this.#root())
    if (url.pathname === '/login') return this.#prompts(request, send)
    if (url.pathname === '/oauth/token') {
      const {status, body} = this.uaa.answer(
        new URLSearchParams(bytes.toString()),
        request.headers.authorization,
        url.searchParams.get('login_hint'),
      )
      return send(status, body)
    }
    if (this.#failures.left > 0) {
      this.#failures.left--
      return send(
        this.#failures.status,
        `<html><body>${this.#failures.status} Bad Gateway: Registered endpoint failed to handle the request.</body></html>`,
      )
    }
    if (this.#rateLimits.left > 0) {
      this.#rateLimits.left--
      const errors = [{detail: 'Rate Limit Exceeded', title: 'CF-RateLimitExceeded', code: 10013}]
      const headers = {...this.#rateLimits.headers, 'x-ratelimit-remaining': '0', 'content-type': 'text/plain; charset=utf-8'}
      return send(429, {errors}, headers)
    }
    const authorization = request.headers.authorization ?? ''
    const token = /^bearer (.+)$/i.exec(authorization)?.[1]
    if (token === undefined) throw notAuthenticated()
    const principal = this.uaa.principalOf(token)
    if (principal === undefined) throw invalidToken()
    if (url.pathname.startsWith('/networking/v1/external/')) {
      const {status, body} = this.#answerPolicies(request.method ?? '', url, bytes.toString(), principal.role)
      return send(status, body)
    }
    const type = request.headers['content-type'] ?? ''
    for (const route of this.#routes) {
      const match = route.method === request.method ? route.pattern.exec(url.pathname) : null
      if (match === null) continue
      const unknown = [...url.searchParams.keys()].filter((name) => !route.query.includes(name))
      if (unknown.length > 0)
        throw badQuery(
          `The query parameter is invalid: Unknown query parameter(s): '${unknown.join("', '")}'. Valid parameters are: '${route.query.join("', '")}'`,
        )
      if (request.method !== 'GET' && principal.role === 'auditor') throw notAuthorized()
      const body = type.startsWith('application/json') || type === '' ? parseBody(bytes.toString()) : {}
      const answer = await route.answer({query: url.searchParams, body, text: bytes, type, principal, parameters: match.slice(1)})
      if (answer instanceof Accepted) return send(202, undefined, {location: answer.location})
      return send(route.status, answer)
    }
    throw new ControllerFailure(404, 10000, 'CF-NotFound', 'Unknown request')
  }

  #root(): object {
    const href = (path: string): object => ({href: `${this.url}${path}`})
    return {
      links: {
        self: href(''),
        cloud_controller_v3: {...href('/v3'), meta: {version: '3.228.0'}},
        network_policy_v0: href('/networking/v0/external'),
        network_policy_v1: href('/networking/v1/external'),
        login: {href: this.url},
        uaa: {href: this.url},
        credhub: null,
        routing: null,
        logging: null,
        log_cache: null,
        log_stream: null,
        app_ssh: null,
      },
      ...(this.#options.onKubernetes === true ? {cf_on_k8s: true} : {}),
    }
  }

  #prompts(request: IncomingMessage, send: (status: number, body: unknown) => void): void {
    if (!/application\/json/.test(request.headers.accept ?? '')) {
      send(200, '<html><body>Welcome!</body></html>')
      return
    }
    const passcode = `Temporary Authentication Code ( Get one at ${this.url}/passcode )`
    send(200, {prompts: {username: ['text', 'Email'], password: ['password', 'Password'], passcode: ['password', passcode]}})
  }

  #makeRoutes(): readonly Route[] {
    const {state} = this
    const route = (method: string, path: string, query: readonly string[], answer: Route['answer'], status = 200): Route => ({
      method,
      pattern: new RegExp(`^${path.replaceAll(':guid', '([^/]+)')}$`),
      query,
      status,
      answer,
    })
    const named = <One extends {readonly name: string}>(all: readonly One[], query: URLSearchParams): readonly One[] =>
      filterNames(all, query)
    return [
      route('GET', '/v3/organizations', ['names', 'guids', ...PAGING], ({query}) =>
        this.#page('/v3/organizations', query, named(state.organizations, query).map(view.viewNamed)),
      ),
      route('GET', '/v3/spaces', ['names', 'guids', 'organization_guids', ...PAGING], ({query}) => {
        const found = named(state.spaces, query).filter((space) => within(query, 'organization_guids', space.organizationGuid))
        return this.#page('/v3/spaces', query, found.map(view.viewSpace))
      }),
      route(
        'GET',
        '/v3/apps',
        ['names', 'guids', 'space_guids', 'organization_guids', 'lifecycle_type', 'stacks', ...PAGING],
        ({query}) => {
          const found = named(state.apps, query)
            .filter((app) => within(query, 'space_guids', app.spaceGuid) && within(query, 'lifecycle_type', app.lifecycle))
            .filter(({labels}) => isSelected(query, labels))
            .toSorted((a, b) => (query.get('order_by') === 'name' && a.name !== b.name ? (a.name < b.name ? -1 : 1) : 0))
          return this.#page(
            '/v3/apps',
            query,
            found.map((app) => view.viewApp(this.url, app)),
          )
        },
      ),
      route('GET', '/v3/apps/:guid', ['include'], ({parameters}) => view.viewApp(this.url, this.#app(parameters))),
      route('PATCH', '/v3/apps/:guid', [], ({parameters, body}) => {
        const app = this.#app(parameters)
        changeMetadata(app, body)
        return view.viewApp(this.url, app)
      }),
      route('GET', '/v3/apps/:guid/environment_variables', [], ({parameters, principal}) => {
        const app = this.#app(parameters)
        if (principal.role === 'auditor') throw notAuthorized()
        if (this.#disabledFeatures.has('env_var_visibility')) throw featureDisabled('env_var_visibility')
        state.auditEvents.push({type: 'audit.app.environment_variables.show', appGuid: app.guid, actor: principal.name})
        return view.viewVariables(this.url, app)
      }),
      route('PATCH', '/v3/apps/:guid/environment_variables', [], ({parameters, body}) => {
        const app = this.#app(parameters)
        changeVariables(app.variables, body)
        return view.viewVariables(this.url, app)
      }),
      route('GET', '/v3/apps/:guid/droplets/current', [], ({parameters}) => {
        const app = this.#app(parameters)
        return view.viewDroplet(this.url, this.#droplet(app.dropletGuid), false)
      }),
      route('GET', '/v3/apps/:guid/droplets', ['states', 'current', ...PAGING], ({parameters, query}) => {
        const app = this.#app(parameters)
        const found = state.droplets.filter((droplet) => droplet.appGuid === app.guid)
        return this.#page(
          `/v3/apps/${app.guid}/droplets`,
          query,
          found.map((droplet) => view.viewDroplet(this.url, droplet, true)),
        )
      }),
      route('GET', '/v3/droplets', ['guids', 'app_guids', 'states', 'space_guids', ...PAGING], ({query}) => {
        const found = state.droplets.filter((one) => within(query, 'guids', one.guid) && within(query, 'app_guids', one.appGuid))
        return this.#page(
          '/v3/droplets',
          query,
          found.map((droplet) => view.viewDroplet(this.url, droplet, true)),
        )
      }),
      route('GET', '/v3/droplets/:guid', [], ({parameters}) => view.viewDroplet(this.url, this.#droplet(parameters[0]), false)),
      route('PATCH', '/v3/droplets/:guid', [], ({parameters, body, principal}) => {
        const droplet = this.#droplet(parameters[0])
        changeMetadata(droplet.metadata, body)
        if (typeof body.image !== 'string') return view.viewDroplet(this.url, droplet, false)
        if (principal.role !== 'admin') throw notAuthorized()
        droplet.image = body.image
        return view.viewDroplet(this.url, droplet, false)
      }),
      route('PATCH', '/v3/apps/:guid/relationships/current_droplet', [], ({parameters, body}) => {
        const app = this.#app(parameters)
        const droplet = this.#droplet(guidIn(body.data))
        if (this.deployments.active(app) !== undefined)
          throw unprocessable("Cannot update this app's current droplet while a deployment is in progress")
        if (droplet.appGuid !== app.guid)
          throw unprocessable('Unable to assign current droplet. Ensure the droplet exists and belongs to this app.')
        app.dropletGuid = droplet.guid
        return {data: {guid: droplet.guid}, links: {self: {href: `${this.url}/v3/apps/${app.guid}/relationships/current_droplet`}}}
      }),
      route('GET', '/v3/apps/:guid/processes', ['types', ...PAGING], ({parameters, query}) => {
        const app = this.#app(parameters)
        const web = {
          guid: app.guid,
          type: 'web',
          instances: app.wantedInstances,
          memory_in_mb: 64,
          disk_in_mb: 256,
          command: '[PRIVATE DATA HIDDEN IN LISTS]',
        }
        const others = (app.processes ?? []).map(({guid, type, instances}) => ({guid, type, instances: instances.length}))
        return this.#page(
          `/v3/apps/${app.guid}/processes`,
          query,
          [web, ...others].filter(({type}) => within(query, 'types', type)),
        )
      }),
      route(
        'POST',
        '/v3/apps/:guid/processes/web/actions/scale',
        [],
        async ({parameters, body}) => {
          const app = this.#app(parameters)
          await this.scale(app.name, Number(body.instances))
          return {guid: app.guid, type: 'web', instances: app.wantedInstances}
        },
        202,
      ),
      route('POST', '/v3/apps/:guid/actions/restart', [], async ({parameters}) => {
        const app = this.#app(parameters)
        this.#assertDocker(app)
        app.state = 'STARTED'
        await this.#startInstances(app)
        return view.viewApp(this.url, app)
      }),
      route('POST', '/v3/apps/:guid/actions/start', [], async ({parameters}) => {
        const app = this.#app(parameters)
        this.#assertDocker(app)
        if (app.dropletGuid === undefined) throw unprocessable('Assign a droplet before starting this app.')
        app.state = 'STARTED'
        await this.#startInstances(app)
        return view.viewApp(this.url, app)
      }),
      route('GET', '/v3/apps/:guid/processes/web/stats', [], ({parameters}) => ({
        resources: this.#app(parameters).instances.map(({index, state: what}) => ({type: 'web', index, state: what})),
      })),
      route('GET', '/v3/apps/:guid/routes', PAGING, ({parameters, query}) => {
        const app = this.#app(parameters)
        const found = app.routes.map((one) => ({guid: one, protocol: 'http', host: one.split('.')[0], path: '', url: one}))
        return this.#page(`/v3/apps/${app.guid}/routes`, query, found)
      }),
      route('POST', '/v3/spaces/:guid/actions/apply_manifest', [], ({parameters, text, type}) => {
        if (!type.startsWith('application/x-yaml')) throw badBody()
        this.#applyManifest(parameters[0] ?? '', text.toString())
        const job = {guid: randomUUID(), pollsLeft: this.#options.pollsUntilDone ?? DEFAULT_POLLS}
        state.jobs.push(job)
        return new Accepted(`${this.url}/v3/jobs/${job.guid}`)
      }),
      route('GET', '/v3/jobs/:guid', [], ({parameters}) => {
        const job = state.jobs.find(({guid}) => guid === parameters[0])
        if (job === undefined) throw notFound('Job')
        return {
          guid: job.guid,
          operation: 'space.apply_manifest',
          state: job.pollsLeft-- > 0 ? 'PROCESSING' : 'COMPLETE',
          errors: [],
          warnings: [],
        }
      }),
      route('POST', '/v3/packages/:guid/upload', [], ({parameters, text, type}) => {
        const found = state.packages.find(({guid}) => guid === parameters[0])
        if (found === undefined) throw notFound('Package')
        if (!type.startsWith('multipart/form-data; boundary=')) throw badBody()
        found.files = namesInZip(text)
        return view.viewPackage(found)
      }),
      route('GET', '/v3/service_plans', ['names', 'service_offering_names', 'space_guids', ...PAGING], ({query}) => {
        const found = named(state.plans, query).filter((plan) => within(query, 'service_offering_names', plan.offering))
        return this.#page('/v3/service_plans', query, found.map(view.viewNamed))
      }),
      route('GET', '/v3/service_instances', ['names', 'space_guids', 'guids', 'type', ...PAGING], ({query}) => {
        const found = named(state.serviceInstances, query).filter((one) => within(query, 'space_guids', one.spaceGuid))
        return this.#page('/v3/service_instances', query, found.map(view.viewServiceInstance))
      }),
      route('POST', '/v3/service_instances', [], ({body}) => {
        const relationships = Object(body.relationships)
        const planGuid = guidIn(Reflect.get(Object(Reflect.get(relationships, 'service_plan')), 'data'))
        const spaceGuid = guidIn(Reflect.get(Object(Reflect.get(relationships, 'space')), 'data'))
        const plan = state.plans.find(({guid}) => guid === planGuid)
        if (plan === undefined || spaceGuid === undefined || typeof body.name !== 'string') throw unprocessable('Invalid service plan.')
        if (state.serviceInstances.some((one) => one.name === body.name && one.spaceGuid === spaceGuid))
          throw unprocessable(`The service instance name is taken: ${body.name}.`)
        const made = {guid: randomUUID(), name: body.name, spaceGuid, plan, pollsLeft: this.#options.pollsUntilDone ?? DEFAULT_POLLS}
        state.serviceInstances.push(made)
        return new Accepted(`${this.url}/v3/jobs/${randomUUID()}`)
      }),
      route('GET', '/v3/service_instances/:guid', [], ({parameters}) => {
        const found = state.serviceInstances.find(({guid}) => guid === parameters[0])
        if (found === undefined) throw notFound('Service instance')
        const shown = view.viewServiceInstance(found)
        if (found.pollsLeft > 0) found.pollsLeft--
        return shown
      }),
      route('GET', '/v3/service_credential_bindings', ['names', 'type', 'service_instance_guids', ...PAGING], ({query}) => {
        const found = named(state.serviceKeys, query).filter((one) => within(query, 'service_instance_guids', one.instanceGuid))
        return this.#page('/v3/service_credential_bindings', query, found.map(view.viewServiceKey))
      }),
      route('POST', '/v3/service_credential_bindings', [], ({body}) => {
        const instanceGuid = guidIn(Reflect.get(Object(Reflect.get(Object(body.relationships), 'service_instance')), 'data'))
        const instance = state.serviceInstances.find(({guid}) => guid === instanceGuid)
        if (instance === undefined || body.type !== 'key' || typeof body.name !== 'string')
          throw unprocessable('Service instance not found')
        if (state.serviceKeys.some((key) => key.name === body.name && key.instanceGuid === instanceGuid))
          throw unprocessable(
            `The binding name is invalid. Key binding names must be unique. The service instance already has a key binding with name '${body.name}'.`,
          )
        const credentials = instance.plan.credentials()
        state.serviceKeys.push({
          guid: randomUUID(),
          name: body.name,
          instanceGuid: instance.guid,
          credentials,
          pollsLeft: this.#options.pollsUntilDone ?? DEFAULT_POLLS,
        })
        return new Accepted(`${this.url}/v3/jobs/${randomUUID()}`)
      }),
      route('GET', '/v3/service_credential_bindings/:guid', [], ({parameters}) => {
        const key = this.#serviceKey(parameters)
        const shown = view.viewServiceKey(key)
        if (key.pollsLeft > 0) key.pollsLeft--
        return shown
      }),
      route('GET', '/v3/service_credential_bindings/:guid/details', [], ({parameters}) => ({
        credentials: this.#serviceKey(parameters).credentials,
      })),
      route('POST', '/v3/apps/:guid/actions/stop', [], ({parameters}) => {
        const app = this.#app(parameters)
        app.state = 'STOPPED'
        app.instances = []
        return view.viewApp(this.url, app)
      }),
      route('POST', '/v3/packages', [], ({body}) => view.viewPackage(this.#addPackage(body)), 201),
      route('GET', '/v3/packages', ['app_guids', 'types', 'states', 'guids', ...PAGING], ({query}) => {
        const found = state.packages.filter(({guid, appGuid}) => within(query, 'guids', guid) && within(query, 'app_guids', appGuid))
        if (query.get('order_by') === '-created_at') found.reverse()
        return this.#page('/v3/packages', query, found.map(view.viewPackage))
      }),
      route('GET', '/v3/packages/:guid', [], ({parameters}) => {
        const found = state.packages.find(({guid}) => guid === parameters[0])
        if (found === undefined) throw notFound('Package')
        return view.viewPackage(found)
      }),
      route('PATCH', '/v3/packages/:guid', [], ({parameters, body}) => {
        const found = state.packages.find(({guid}) => guid === parameters[0])
        if (found === undefined) throw notFound('Package')
        changePackage(found, body)
        return view.viewPackage(found)
      }),
      route('GET', '/v3/packages/:guid/droplets', ['states', ...PAGING], ({parameters, query}) => {
        const found = state.droplets.filter(({packageGuid}) => packageGuid === parameters[0])
        return this.#page(
          `/v3/packages/${parameters[0]}/droplets`,
          query,
          found.map((droplet) => view.viewDroplet(this.url, droplet, true)),
        )
      }),
      route('GET', '/v3/builds', ['app_guids', 'package_guids', 'states', ...PAGING], ({query}) => {
        const found = state.builds.filter(
          (build) => within(query, 'app_guids', build.package.appGuid) && within(query, 'states', build.state),
        )
        return this.#page('/v3/builds', query, found.map(view.viewBuild))
      }),
      route('POST', '/v3/builds', [], ({body, principal}) => this.#addBuild(body, principal.name), 201),
      route('GET', '/v3/builds/:guid', [], async ({parameters}) => {
        const build = state.builds.find(({guid}) => guid === parameters[0])
        if (build === undefined) throw notFound('Build')
        if (build.state === 'STAGING' && build.pollsLeft-- <= 0) await this.#stage(build)
        return view.viewBuild(build)
      }),
      route('POST', '/v3/deployments', [], ({body}) => view.viewDeployment(this.#addDeployment(body)), 201),
      route('GET', '/v3/deployments', ['app_guids', 'status_values', 'status_reasons', 'states', ...PAGING], ({query}) => {
        const found = state.deployments.filter(
          ({appGuid, value}) => within(query, 'app_guids', appGuid) && within(query, 'status_values', value),
        )
        if (query.get('order_by') === '-created_at') found.reverse()
        return this.#page('/v3/deployments', query, found.map(view.viewDeployment))
      }),
      route('GET', '/v3/deployments/:guid', [], async ({parameters}) => {
        const deployment = this.deployments.find(parameters[0])
        await this.deployments.poll(deployment)
        return view.viewDeployment(deployment)
      }),
      route('POST', '/v3/deployments/:guid/actions/cancel', [], ({parameters}) => {
        this.deployments.cancel(this.deployments.find(parameters[0]))
      }),
      route('POST', '/v3/deployments/:guid/actions/continue', [], ({parameters}) => {
        this.deployments.continue(this.deployments.find(parameters[0]))
      }),
      route('GET', '/v3/processes/:guid/stats', [], ({parameters}) => this.deployments.statsOf(parameters[0])),
      route(
        'GET',
        '/v3/security_groups',
        ['names', 'guids', 'globally_enabled_staging', 'staging_space_guids', 'running_space_guids', ...PAGING],
        ({query}) => this.#page('/v3/security_groups', query, named(state.securityGroups, query).map(view.viewSecurityGroup)),
      ),
      route(
        'POST',
        '/v3/security_groups',
        [],
        ({body, principal}) => view.viewSecurityGroup(this.#addSecurityGroup(body, principal.role)),
        201,
      ),
      route('PATCH', '/v3/security_groups/:guid', [], ({parameters, body, principal}) => {
        if (principal.role !== 'admin') throw notAuthorized()
        const group = this.#securityGroup(parameters)
        if (Array.isArray(body.rules)) group.rules = checkRules(body.rules)
        return view.viewSecurityGroup(group)
      }),
      route('POST', '/v3/security_groups/:guid/relationships/staging_spaces', [], ({parameters, body, principal}) => {
        if (principal.role !== 'admin') throw notAuthorized()
        const group = this.#securityGroup(parameters)
        const guids = (Array.isArray(body.data) ? body.data : []).map((one) => String(Reflect.get(Object(one), 'guid')))
        group.stagingSpaces = [...new Set([...group.stagingSpaces, ...guids])]
        return {data: group.stagingSpaces.map((guid) => ({guid}))}
      }),
      route('GET', '/v3/audit_events', ['types', 'target_guids', ...PAGING], ({query}) =>
        this.#page(
          '/v3/audit_events',
          query,
          state.auditEvents.map(({type, appGuid, actor}) => ({type, target: {guid: appGuid}, actor: {name: actor}})),
        ),
      ),
    ]
  }

  #app([guid]: readonly string[]): App {
    const app = this.state.apps.find((one) => one.guid === guid)
    if (app === undefined) throw notFound('App')
    return app
  }

  #droplet(guid: string | undefined) {
    const droplet = this.state.droplets.find((one) => one.guid === guid)
    if (droplet === undefined) throw notFound('Droplet')
    return droplet
  }

  #securityGroup([guid]: readonly string[]): SecurityGroup {
    const group = this.state.securityGroups.find((one) => one.guid === guid)
    if (group === undefined) throw notFound('Security group')
    return group
  }

  #assertDocker({lifecycle}: App): void {
    if (lifecycle === 'docker' && this.#disabledFeatures.has('diego_docker')) throw featureDisabled('diego_docker')
  }

  #serviceKey([guid]: readonly string[]) {
    const key = this.state.serviceKeys.find((one) => one.guid === guid)
    if (key === undefined) throw notFound('Service credential binding')
    return key
  }

  /** What `cf push` sends first: apps as they are to be, those that are not there made and stopped. */
  #applyManifest(spaceGuid: string, text: string): void {
    const applications: unknown = Reflect.get(Object(parseYaml(text)), 'applications')
    if (!Array.isArray(applications)) throw unprocessable("Cannot parse manifest with no 'applications' field.")
    for (const one of applications) {
      const {name, docker, env = {}, instances = 1, routes = [], buildpacks, command, ...rest} = Object(one)
      const known = ['memory', 'disk_quota', 'path', 'health-check-type']
      for (const key of Object.keys(rest)) if (!known.includes(key)) throw unprocessable(`For application '${name}': ${key} is unknown`)
      if (/\(\([a-z0-9-]+\)\)/.test(JSON.stringify(one))) throw unprocessable(`For application '${name}': a variable is not filled in`)
      const app =
        this.state.apps.find((other) => other.name === name && other.spaceGuid === spaceGuid) ?? this.#newApp(spaceGuid, name, docker)
      if (docker === undefined && !(Array.isArray(buildpacks) && buildpacks.length > 0))
        throw unprocessable(`For application '${name}': Buildpacks required`)
      for (const [variable, value] of Object.entries(env)) app.variables.set(variable, String(value))
      if (typeof command === 'string') app.command = command
      app.wantedInstances = Number(instances)
      app.routes = (routes as {route: string}[]).map(({route}) => route)
    }
  }

  #newApp(spaceGuid: string, name: string, docker: unknown): App {
    const app: App = {
      guid: randomUUID(),
      name,
      spaceGuid,
      lifecycle: docker === undefined ? 'buildpack' : 'docker',
      state: 'STOPPED',
      variables: new Map(),
      annotations: new Map(),
      labels: new Map(),
      dropletGuid: undefined,
      wantedInstances: 1,
      routes: [],
      instances: [],
      createdAt: new Date().toISOString(),
    }
    this.state.apps.push(app)
    return app
  }

  /** The network policy server: errors of its own form, and no pages. */
  #answerPolicies(method: string, url: URL, text: string, role: string): {status: number; body: object} {
    const {policies} = this.state
    if (role === 'auditor')
      return {status: 403, body: {error: 'provided scopes [] do not include allowed scopes [network.admin network.write]'}}
    if (url.pathname !== '/networking/v1/external/policies') return {status: 404, body: {error: 'not found'}}
    if (method === 'GET') {
      const source = url.searchParams.get('source_id')?.split(',')
      const found = policies.filter((policy) => source === undefined || source.includes(policy.source.id))
      return {status: 200, body: {total_policies: found.length, policies: found}}
    }
    const wanted = (JSON.parse(text) as {policies?: Policy[]}).policies ?? []
    const isWrong = ({source, destination}: Policy) =>
      [source?.id, destination?.id].some((id) => !this.state.apps.some(({guid}) => guid === id)) ||
      !['tcp', 'udp'].includes(destination.protocol) ||
      !(destination.ports.start >= 1 && destination.ports.start <= destination.ports.end)
    if (wanted.length === 0 || wanted.some(isWrong)) return {status: 400, body: {error: 'mapper: validate policies: invalid policy'}}
    policies.push(...wanted)
    return {status: 200, body: {}}
  }

  #addPackage(body: Body) {
    const data = Object(body.data)
    const appGuid = guidIn(Reflect.get(Object(Reflect.get(Object(body.relationships), 'app')), 'data'))
    const app = this.state.apps.find(({guid}) => guid === appGuid)
    if (app === undefined) throw unprocessable('App is invalid. Ensure it exists and you have access to it.')
    if (body.type === 'bits') {
      const bits = {
        guid: randomUUID(),
        appGuid: app.guid,
        credentials: undefined,
        createdAt: new Date().toISOString(),
        metadata: metadataIn(body),
      }
      this.state.packages.push(bits)
      return bits
    }
    const [image, username, password]: unknown[] = ['image', 'username', 'password'].map((name) => Reflect.get(data, name))
    if (body.type !== 'docker' || typeof image !== 'string' || image === '') throw unprocessable('Data Image required')
    if (/:[\w.-]+@sha256:/.test(image)) throw unprocessable('docker references with both a tag and digest are currently not supported')
    const credentials = typeof username === 'string' && typeof password === 'string' ? {username, password} : undefined
    const made = {
      guid: randomUUID(),
      appGuid: app.guid,
      image,
      credentials,
      createdAt: new Date().toISOString(),
      metadata: metadataIn(body),
    }
    this.state.packages.push(made)
    return made
  }

  #addBuild(body: Body, actor: string) {
    const made = this.state.packages.find(({guid}) => guid === guidIn(body.package))
    if (made === undefined) throw unprocessable('Unable to use package. Ensure that the package exists and you have access to it.')
    this.#assertDocker(this.#app([made.appGuid]))
    if (this.state.builds.some((build) => build.package.appGuid === made.appGuid && build.state === 'STAGING'))
      throw unprocessable('Only one build can be STAGING at a time per application.')
    const pollsLeft = this.#options.pollsUntilDone ?? DEFAULT_POLLS
    const build = {guid: randomUUID(), package: made, state: 'STAGING' as const, error: undefined, dropletGuid: undefined, pollsLeft}
    this.state.builds.push(build)
    return {...view.viewBuild(build), created_by: {guid: actor, name: actor}}
  }

  /** Staging fetches the image's metadata from its registry, with the credentials of the package. */
  async #stage(build: State['builds'][number]): Promise<void> {
    const {guid, appGuid, image, files, credentials} = build.package
    const failing = this.#failingBuild
    this.#failingBuild = undefined
    try {
      if (failing !== undefined) throw new Error(failing)
      if (image !== undefined) await this.#resolveImage(image, credentials)
      else if (files?.includes('nginx.conf') !== true) throw new Error('nginx.conf file must be present at the app root')
    } catch (error) {
      build.state = 'FAILED'
      build.error = `StagingError - Staging error: ${error instanceof Error ? error.message : String(error)}`
      return
    }
    const droplet = {
      guid: randomUUID(),
      appGuid,
      packageGuid: guid,
      ...(image === undefined ? {} : {image}),
      credentials,
      metadata: noMetadata(),
    }
    this.state.droplets.push(droplet)
    build.state = 'STAGED'
    build.dropletGuid = droplet.guid
  }

  #addDeployment(body: Body) {
    const app = this.#app([guidIn(Reflect.get(Object(Reflect.get(Object(body.relationships), 'app')), 'data')) ?? ''])
    this.#assertDocker(app)
    const deployment = this.deployments.add(app, this.#droplet(guidIn(body.droplet)), body)
    if (this.#isCancelling) {
      this.#isCancelling = false
      this.deployments.cancel(deployment)
    }
    return deployment
  }

  async #startInstances(app: App): Promise<void> {
    app.instances = await Promise.all(Array.from({length: app.wantedInstances}, (_, index) => this.#startInstance(app, index)))
  }

  async #startInstance(app: App, index: number): Promise<Instance> {
    const droplet = this.#droplet(app.dropletGuid)
    const {image = '', credentials} = droplet
    const state = this.#states.get(app.name)
    if (state !== undefined) return {index, state, image}
    try {
      const digest = image === '' ? {} : {digest: await this.#resolveImage(image, credentials)}
      const running = await this.#options.runner?.start(app, droplet)
      const instance: Instance = {index, state: 'RUNNING', image, ...digest}
      if (running !== undefined) this.#running.set(instance, running)
      return instance
    } catch (error) {
      return {index, state: 'CRASHED', image, reason: error instanceof Error ? error.message : String(error)}
    }
  }

  async #resolveImage(...image: Parameters<typeof resolveImage>): Promise<string> {
    return await (this.#options.resolveImage ?? resolveImage)(...image)
  }

  async #endInstance(instance: Instance): Promise<void> {
    await this.#running.get(instance)?.stop()
    this.#running.delete(instance)
  }

  #addSecurityGroup(body: Body, role: string): SecurityGroup {
    if (role !== 'admin') throw notAuthorized()
    const {name, rules} = body
    if (typeof name !== 'string') throw unprocessable("Name can't be blank")
    if (this.state.securityGroups.some((group) => group.name === name))
      throw unprocessable(`Security group with name '${name}' already exists.`)
    const relationships = Object(body.relationships)
    const spaces = (kind: string): string[] => {
      const data: unknown = Reflect.get(Object(Reflect.get(relationships, kind)), 'data')
      return (Array.isArray(data) ? data : []).map((one) => String(Reflect.get(Object(one), 'guid')))
    }
    const enabled = Object(body.globally_enabled)
    const group: SecurityGroup = {
      guid: randomUUID(),
      name,
      rules: checkRules(Array.isArray(rules) ? rules : []),
      globallyEnabled: {running: Reflect.get(enabled, 'running') === true, staging: Reflect.get(enabled, 'staging') === true},
      stagingSpaces: spaces('staging_spaces'),
      runningSpaces: spaces('running_spaces'),
    }
    this.state.securityGroups.push(group)
    return group
  }

  #page(path: string, query: URLSearchParams, all: readonly object[]): object {
    const number = (name: string, otherwise: number, largest: number): number => {
      const text = query.get(name)
      if (text === null) return otherwise
      const value = Number(text)
      if (!Number.isInteger(value) || value < 1 || value > largest)
        throw badQuery(`The query parameter is invalid: ${name} must be between 1 and ${largest}`)
      return value
    }
    const perPage = number('per_page', DEFAULT_PAGE, MAX_PAGE)
    const page = number('page', 1, Number.MAX_SAFE_INTEGER)
    if (page === this.#failingPage) throw new ControllerFailure(500, 10001, 'UnknownError', 'An unknown error occurred.')
    const pages = Math.max(1, Math.ceil(all.length / perPage))
    const link = (number: number): object => {
      const others = new URLSearchParams(query)
      others.set('page', String(number))
      others.set('per_page', String(perPage))
      return {href: `${this.url}${path}?${others}`}
    }
    return {
      pagination: {
        total_results: all.length,
        total_pages: pages,
        first: link(1),
        last: link(pages),
        next: page < pages ? link(page + 1) : null,
        previous: page > 1 ? link(page - 1) : null,
      },
      resources: all.slice((page - 1) * perPage, page * perPage),
    }
  }
}

function parseBody(text: string): Body {
  if (text === '') return {}
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null) return {...body}
  } catch {
    // Answered below.
  }
  throw badBody()
}

/** The names in the archive that a form carries. */
function namesInZip(form: Buffer): readonly string[] {
  const start = form.indexOf(Buffer.from('PK\u0003\u0004', 'latin1'))
  const end = form.lastIndexOf('\r\n--')
  if (start < 0 || end < start) throw unprocessable('Upload must include either resources or bits')
  return Object.keys(unzipSync(form.subarray(start, end)))
}

function guidIn(value: unknown): string | undefined {
  const guid: unknown = Reflect.get(Object(value), 'guid')
  return typeof guid === 'string' ? guid : undefined
}

/** Values of a filter are parted by commas; a comma within one is encoded once more. Names are compared without case. */
function filterNames<One extends {readonly name: string}>(all: readonly One[], query: URLSearchParams): readonly One[] {
  const names = query
    .get('names')
    ?.split(',')
    .map((name) => decodeURIComponent(name).toLowerCase())
  return names === undefined ? all : all.filter(({name}) => names.includes(name.toLowerCase()))
}

function within(query: URLSearchParams, name: string, value: string): boolean {
  const values = query.get(name)?.split(',')
  return values === undefined || values.includes(value)
}

function changeVariables(variables: Map<string, string>, body: Body): void {
  const unknown = Object.keys(body).filter((name) => name !== 'var')
  if (unknown.length > 0) throw unprocessable(`Unknown field(s): '${unknown.join("', '")}'`)
  const changes = Object.entries(Object(body.var))
  for (const [name, value] of changes) {
    if (value !== null && typeof value !== 'string')
      throw unprocessable(`Non-string value in environment variable for key '${name}', value '${String(value)}'`)
    if (/^VCAP_/i.test(name) || /^VMC/i.test(name) || name === 'PORT') throw unprocessable(`Environment variables reserved: ${name}`)
  }
  for (const [name, value] of changes) {
    if (value === null) variables.delete(name)
    else variables.set(name, String(value))
  }
}

function checkRules(rules: readonly unknown[]): readonly object[] {
  return rules.map((rule) => {
    const [protocol, destination, ports]: unknown[] = ['protocol', 'destination', 'ports'].map((name) => Reflect.get(Object(rule), name))
    if (typeof destination !== 'string' || !['tcp', 'udp', 'icmp', 'all'].includes(String(protocol)))
      throw unprocessable('Rules[0]: protocol must be valid')
    if (protocol !== 'all' && protocol !== 'icmp' && typeof ports !== 'string')
      throw unprocessable('Rules[0]: ports are required for protocols of type TCP and UDP')
    return Object(rule)
  })
}
