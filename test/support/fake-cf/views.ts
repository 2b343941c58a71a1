/** The JSON of what the fake foundation has, as the API v3 shows it. */
import type {App, Build, Deployment, Droplet, Metadata, Named, Package, SecurityGroup, ServiceInstance, ServiceKey, Space} from './state.ts'

export const viewNamed = ({guid, name}: Named) => ({guid, name, metadata: {labels: {}, annotations: {}}})

export const viewSpace = (space: Space) => ({...viewNamed(space), relationships: {organization: {data: {guid: space.organizationGuid}}}})

export const viewApp = (api: string, app: App) => ({
  guid: app.guid,
  name: app.name,
  state: app.state,
  created_at: app.createdAt,
  updated_at: app.createdAt,
  lifecycle: {type: app.lifecycle, data: {}},
  relationships: {
    space: {data: {guid: app.spaceGuid}},
    current_droplet: {data: app.dropletGuid === undefined ? null : {guid: app.dropletGuid}},
  },
  metadata: {labels: Object.fromEntries(app.labels), annotations: Object.fromEntries(app.annotations)},
  links: {self: {href: `${api}/v3/apps/${app.guid}`}},
})

/** Every variable: this is why its reader has to be careful. */
export const viewVariables = (api: string, app: App) => ({
  var: Object.fromEntries(app.variables),
  links: {self: {href: `${api}/v3/apps/${app.guid}/environment_variables`}, app: {href: `${api}/v3/apps/${app.guid}`}},
})

const viewMetadata = ({labels, annotations}: Metadata) => ({
  labels: Object.fromEntries(labels),
  annotations: Object.fromEntries(annotations),
})

export const viewPackage = ({guid, appGuid, image, files, credentials, createdAt, metadata}: Package) => ({
  guid,
  type: image === undefined ? 'bits' : 'docker',
  data:
    image === undefined
      ? {error: null, checksum: {type: 'sha256', value: null}}
      : {image, ...(credentials === undefined ? {} : {username: credentials.username, password: '***'})},
  state: image === undefined && files === undefined ? 'AWAITING_UPLOAD' : 'READY',
  created_at: createdAt,
  updated_at: createdAt,
  relationships: {app: {data: {guid: appGuid}}},
  metadata: viewMetadata(metadata),
})

export const viewBuild = ({guid, package: {guid: packageGuid}, state, error, dropletGuid}: Build) => ({
  guid,
  state,
  error: error ?? null,
  lifecycle: {type: 'docker', data: {}},
  package: {guid: packageGuid},
  droplet: dropletGuid === undefined ? null : {guid: dropletGuid},
})

/** In lists what an image would run is not shown. */
export const viewDroplet = (api: string, {guid, appGuid, packageGuid, image, metadata}: Droplet, isListed: boolean) => ({
  guid,
  state: 'STAGED',
  error: null,
  lifecycle: {type: 'docker', data: {}},
  checksum: null,
  buildpacks: null,
  stack: null,
  image: image ?? null,
  execution_metadata: isListed ? '[PRIVATE DATA HIDDEN IN LISTS]' : '{}',
  process_types: isListed ? {redacted_message: '[PRIVATE DATA HIDDEN IN LISTS]'} : {web: '/app'},
  relationships: {app: {data: {guid: appGuid}}},
  metadata: viewMetadata(metadata),
  links: {
    self: {href: `${api}/v3/droplets/${guid}`},
    app: {href: `${api}/v3/apps/${appGuid}`},
    package: {href: `${api}/v3/packages/${packageGuid}`},
  },
})

export const viewServiceInstance = ({guid, name, plan, pollsLeft}: ServiceInstance) => ({
  guid,
  name,
  type: 'managed',
  last_operation: {type: 'create', state: pollsLeft > 0 ? 'in progress' : 'succeeded', description: ''},
  relationships: {service_plan: {data: {guid: plan.guid}}},
})

export const viewServiceKey = ({guid, name, instanceGuid, pollsLeft}: ServiceKey) => ({
  guid,
  name,
  type: 'key',
  last_operation: {type: 'create', state: pollsLeft > 0 ? 'in progress' : 'succeeded', description: ''},
  relationships: {service_instance: {data: {guid: instanceGuid}}},
})

export const viewDeployment = (deployment: Deployment) => ({
  guid: deployment.guid,
  status: {
    value: deployment.value,
    reason: deployment.reason,
    details: {
      last_successful_healthcheck: deployment.createdAt,
      last_status_change: deployment.createdAt,
      ...(deployment.error === undefined ? {} : {error: deployment.error}),
    },
  },
  strategy: deployment.strategy,
  options: {max_in_flight: deployment.maxInFlight},
  new_processes: [{guid: deployment.webProcess.guid, type: 'web'}],
  droplet: {guid: deployment.dropletGuid},
  previous_droplet: deployment.previousDropletGuid === undefined ? null : {guid: deployment.previousDropletGuid},
  created_at: deployment.createdAt,
  relationships: {app: {data: {guid: deployment.appGuid}}},
})

export const viewSecurityGroup = (group: SecurityGroup) => ({
  guid: group.guid,
  name: group.name,
  globally_enabled: group.globallyEnabled,
  rules: group.rules,
  relationships: {
    staging_spaces: {data: group.stagingSpaces.map((guid) => ({guid}))},
    running_spaces: {data: group.runningSpaces.map((guid) => ({guid}))},
  },
})
