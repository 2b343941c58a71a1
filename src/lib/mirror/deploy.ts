/**
 * A protected mirror brought to Cloud Foundry: bucket and key, the mirror on its internal route, nginx before it, and the policy that lets nginx alone reach it. Done again it
 * makes nothing twice.
 */
import {type CloudFoundryApp, findApp} from '../cloud-foundry/apps.ts'
import type {Controller} from '../cloud-foundry/controller.ts'
import {textAt} from '../cloud-foundry/fields.ts'
import {type AppHealth, readHealth} from '../cloud-foundry/manifests.ts'
import {allowTraffic} from '../cloud-foundry/network-policies.ts'
import {type PushTarget, pushApp} from '../cloud-foundry/push.ts'
import {ensureServiceKey} from '../cloud-foundry/services.ts'
import {HoldfastError, hasCode} from '../core/errors.ts'
import {
  type CloudFoundryMirror,
  type CloudFoundryVariables,
  fillManifest,
  proxyName,
  renderBuildpackNginx,
  renderMirrorManifest,
  renderProxyManifest,
} from '../rendering/mirror-cloud-foundry.ts'

type MirrorPart = 'registry' | 'proxy'

export interface MirrorDeployment {
  readonly mirror: CloudFoundryMirror
  readonly parts: readonly MirrorPart[]
  readonly routes: Pick<CloudFoundryVariables, 'mirrorRoute' | 'proxyRoute'>
  /** The image, pinned by digest: what is tried is what goes to production, whatever the tag names by then. */
  readonly pin: (image: string) => Promise<string>
  readonly target: PushTarget
}

export interface DeployedMirror {
  readonly parts: readonly {readonly part: MirrorPart; readonly app: string}[]
  /** Absent when the mirror itself was not deployed. */
  readonly bucket?: {readonly instance: 'created' | 'there'; readonly key: 'created' | 'there'}
  /** Absent while one of the two is not there yet. */
  readonly policy?: 'created' | 'unchanged'
}

/** @throws {HoldfastError} as `pushApp` and `ensureServiceKey`. */
export async function deployMirror({mirror, parts, routes, pin, target}: MirrorDeployment): Promise<DeployedMirror> {
  const {controller, spaceGuid, waiting, onStep} = target
  const deployed: {part: MirrorPart; app: string}[] = []
  let bucket: DeployedMirror['bucket']
  if (parts.includes('registry')) {
    const {name, service, image} = mirror
    onStep?.(`seeing to the bucket of ${name}`, `the bucket of ${name} and its key are used by the next run, if they were made`)
    const wanted = {instance: `${name}-s3`, offering: service.offering, plan: service.plan, key: `${name}-key`}
    const {credentials, ...outcome} = await ensureServiceKey(controller, spaceGuid, wanted, waiting)
    bucket = outcome
    const pinned = await pin(image)
    const manifest = fillManifest(renderMirrorManifest({...mirror, image: pinned}), {
      ...routes,
      ...bucketVariables(credentials, wanted.key),
    })
    const app = await pushApp({name, manifest, content: {kind: 'image', image: pinned}}, target)
    deployed.push({part: 'registry', app: app.name})
  }
  if (parts.includes('proxy')) {
    const {zipSync} = await import('fflate')
    const zip = zipSync({'nginx.conf': Buffer.from(renderBuildpackNginx(mirror))})
    const name = proxyName(mirror.name)
    await pushApp({name, manifest: fillManifest(renderProxyManifest(mirror), routes), content: {kind: 'files', zip}}, target)
    deployed.push({part: 'proxy', app: name})
  }
  const policy = await ensurePolicy(controller, spaceGuid, mirror)
  return {parts: deployed, ...(bucket === undefined ? {} : {bucket}), ...(policy === undefined ? {} : {policy})}
}

async function ensurePolicy(
  controller: Controller,
  spaceGuid: string,
  {name, port}: CloudFoundryMirror,
): Promise<'created' | 'unchanged' | undefined> {
  const [from, to] = await Promise.all([findIfThere(controller, spaceGuid, proxyName(name)), findIfThere(controller, spaceGuid, name)])
  if (from === undefined || to === undefined) return undefined
  const purpose = 'find the network policies'
  const server = textAt(await controller.send('GET', '/', {purpose}), 'links', 'network_policy_v1', 'href')
  if (server === undefined) {
    throw new HoldfastError('UNSUPPORTED', `cannot ${purpose}: "${controller.api}" names no server for them`, {
      hints: ['container networking has to be on at this foundation'],
    })
  }
  return await allowTraffic(controller, server, {from, to, port})
}

export interface MirrorAppStatus extends Partial<AppHealth> {
  readonly name: string
  /** Undefined for an app that is not there. */
  readonly requestedState?: AppHealth['requestedState']
}

/** Mirror and proxy, as `cf apps` shows them. */
export async function readMirrorStatus(controller: Controller, spaceGuid: string, mirror: string): Promise<readonly MirrorAppStatus[]> {
  const status = async (name: string): Promise<MirrorAppStatus> => {
    const app = await findIfThere(controller, spaceGuid, name)
    return app === undefined ? {name} : {name, ...(await readHealth(controller, app))}
  }
  return await Promise.all([mirror, proxyName(mirror)].map(status))
}

async function findIfThere(controller: Controller, spaceGuid: string, name: string): Promise<CloudFoundryApp | undefined> {
  try {
    return await findApp(controller, spaceGuid, name)
  } catch (error) {
    if (hasCode(error, 'OBJECT_NOT_FOUND')) return undefined
    throw error
  }
}

/** As brokers of S3 give them. @throws {HoldfastError} PLATFORM_REFUSED for a key that opens no bucket; its credentials are in no message. */
function bucketVariables(
  credentials: unknown,
  key: string,
): Pick<CloudFoundryVariables, 'accessKey' | 'secretKey' | 'bucket' | 'region' | 'endpoint'> {
  const [accessKey, secretKey, bucket, region] = ['access_key_id', 'secret_access_key', 'bucket', 'region'].map((name) =>
    textAt(credentials, name),
  )
  if (accessKey === undefined || secretKey === undefined || bucket === undefined) {
    throw new HoldfastError('PLATFORM_REFUSED', `cannot use key "${key}": it has no access_key_id, secret_access_key and bucket`)
  }
  const endpoint = textAt(credentials, 'endpoint') ?? ''
  return {
    accessKey,
    secretKey,
    bucket,
    region: region ?? 'us-east-1',
    // Amazon's own is the driver's already.
    endpoint: endpoint === '' || /(?:^|\.)amazonaws\.com$/.test(hostOf(endpoint)) ? '' : withScheme(endpoint),
  }
}

function withScheme(endpoint: string): string {
  return endpoint.includes('://') ? endpoint : `https://${endpoint}`
}

function hostOf(endpoint: string): string {
  return URL.canParse(withScheme(endpoint)) ? new URL(withScheme(endpoint)).hostname : ''
}
