/** What the cf command line does to an app of the fake foundation, which knows nothing of Holdfast. */
import {randomUUID} from 'node:crypto'
import type {FakeCloudFoundry} from './fake-cf.ts'
import {noMetadata, type Package} from './state.ts'

/** `cf push APP --docker-image IMAGE`: a package and a droplet without our annotations; the app's own stay. */
export async function cfPush(foundation: FakeCloudFoundry, name: string, image: string): Promise<void> {
  const {guid: appGuid} = foundation.app(name)
  const made: Package = {
    guid: randomUUID(),
    appGuid,
    image,
    credentials: undefined,
    createdAt: new Date().toISOString(),
    metadata: noMetadata(),
  }
  foundation.state.packages.push(made)
  await runPackage(foundation, name, made)
}

/** `cf restage APP`: the newest package is built again. Nothing changes when it cannot be pulled. */
export async function cfRestage(foundation: FakeCloudFoundry, name: string): Promise<void> {
  const {guid: appGuid} = foundation.app(name)
  const newest = foundation.state.packages.findLast((one) => one.appGuid === appGuid)
  if (newest !== undefined && (await foundation.canPull(newest))) await runPackage(foundation, name, newest)
}

async function runPackage(
  foundation: FakeCloudFoundry,
  name: string,
  {guid: packageGuid, image = '', credentials}: Package,
): Promise<void> {
  const app = foundation.app(name)
  const droplet = {guid: randomUUID(), appGuid: app.guid, packageGuid, image, credentials, metadata: noMetadata()}
  foundation.state.droplets.push(droplet)
  endDeployments(foundation, app.guid)
  app.dropletGuid = droplet.guid
  await foundation.restart(name)
}

/** The cf command line cancels what is under way before it pushes. */
function endDeployments(foundation: FakeCloudFoundry, appGuid: string): void {
  for (const deployment of foundation.state.deployments) {
    if (deployment.appGuid !== appGuid || deployment.value !== 'ACTIVE') continue
    deployment.value = 'FINALIZED'
    deployment.reason = 'SUPERSEDED'
  }
}
