/** What the fake foundation has: organizations, spaces, apps and what they are made of. */
import type {ImageCredentials, Instance} from './instances.ts'

export interface Named {
  readonly guid: string
  readonly name: string
}

export interface Space extends Named {
  readonly organizationGuid: string
}

export interface App extends Named {
  readonly spaceGuid: string
  readonly lifecycle: 'docker' | 'buildpack'
  state: 'STARTED' | 'STOPPED'
  readonly variables: Map<string, string>
  /** What starts it, instead of what its buildpack or image says. */
  command?: string
  readonly annotations: Map<string, string>
  readonly labels: Map<string, string>
  dropletGuid: string | undefined
  wantedInstances: number
  routes: string[]
  instances: Instance[]
  /** Those beside its web process. */
  processes?: readonly {readonly guid: string; readonly type: string; readonly instances: Instance[]}[]
  readonly createdAt: string
}

export interface Metadata {
  readonly annotations: Map<string, string>
  readonly labels: Map<string, string>
}

export const noMetadata = (): Metadata => ({annotations: new Map(), labels: new Map()})

export interface Package {
  readonly metadata: Metadata
  readonly guid: string
  readonly appGuid: string
  /** Absent for one of files. */
  readonly image?: string
  /** The names in it, once it was uploaded. */
  files?: readonly string[]
  credentials: ImageCredentials | undefined
  readonly createdAt: string
}

export interface Droplet {
  readonly metadata: Metadata
  readonly guid: string
  readonly appGuid: string
  readonly packageGuid: string
  image?: string
  readonly credentials: ImageCredentials | undefined
}

export interface Build {
  readonly guid: string
  readonly package: Package
  state: 'STAGING' | 'STAGED' | 'FAILED'
  error: string | undefined
  dropletGuid: string | undefined
  pollsLeft: number
}

export interface Deployment {
  readonly guid: string
  readonly appGuid: string
  readonly dropletGuid: string
  readonly previousDropletGuid: string | undefined
  value: 'ACTIVE' | 'FINALIZED'
  reason: 'DEPLOYING' | 'PAUSED' | 'CANCELING' | 'DEPLOYED' | 'CANCELED' | 'SUPERSEDED'
  pollsLeft: number
  readonly createdAt: string
  readonly strategy: string
  readonly maxInFlight: number
  /** A canary deployment goes on by itself once it was continued. */
  isContinued: boolean
  readonly webProcess: {readonly guid: string; instances: Instance[]}
  /** What the updater complains of. */
  error?: string
}

export interface SecurityGroup {
  readonly guid: string
  name: string
  rules: readonly object[]
  readonly globallyEnabled: {running: boolean; staging: boolean}
  stagingSpaces: string[]
  runningSpaces: string[]
}

export interface ServicePlan extends Named {
  readonly offering: string
  /** What a key of it opens. */
  readonly credentials: () => object
}

export interface ServiceInstance extends Named {
  readonly spaceGuid: string
  readonly plan: ServicePlan
  pollsLeft: number
}

export interface ServiceKey extends Named {
  readonly instanceGuid: string
  readonly credentials: object
  pollsLeft: number
}

export interface Policy {
  readonly source: {readonly id: string}
  readonly destination: {readonly id: string; readonly protocol: string; readonly ports: {readonly start: number; readonly end: number}}
}

export class State {
  readonly organizations: Named[] = []
  readonly spaces: Space[] = []
  readonly apps: App[] = []
  readonly packages: Package[] = []
  readonly droplets: Droplet[] = []
  readonly builds: Build[] = []
  readonly deployments: Deployment[] = []
  readonly securityGroups: SecurityGroup[] = []
  readonly auditEvents: {readonly type: string; readonly appGuid: string; readonly actor: string}[] = []
  readonly policies: Policy[] = []
  readonly jobs: {readonly guid: string; pollsLeft: number}[] = []
  readonly plans: ServicePlan[] = []
  readonly serviceInstances: ServiceInstance[] = []
  readonly serviceKeys: ServiceKey[] = []
}
