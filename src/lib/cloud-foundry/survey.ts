/** What many apps run and are being moved to, in a few requests for all of them: a request for each app would take minutes in a large space. */
import type {CloudFoundryApp} from './apps.ts'
import type {Controller} from './controller.ts'
import {type Deployment, readDeployment} from './deployments.ts'
import {requireText, textAt} from './fields.ts'
import {type Droplet, readDroplet} from './releases.ts'

/** How many GUIDs one request names: the URL must fit into 8 kB. */
const GUIDS_PER_REQUEST = 100

export interface SurveyedApp {
  readonly droplet?: Droplet
  /** The image of the newest package, for an app without a droplet. */
  readonly packageImage?: string
  /** The deployment that is under way. */
  readonly deployment?: Deployment
}

/** By the GUID of the app; every app is in it. */
export async function surveyApps(controller: Controller, apps: readonly CloudFoundryApp[]): Promise<ReadonlyMap<string, SurveyedApp>> {
  const withoutDroplet = apps.filter(({dropletGuid}) => dropletGuid === undefined)
  const [droplets, images, deployments] = await Promise.all([
    findDroplets(controller, apps),
    findPackageImages(controller, withoutDroplet),
    findDeployments(controller, apps),
  ])
  return new Map(
    apps.map(({guid, dropletGuid}) => {
      const [droplet, packageImage, deployment] = [droplets.get(dropletGuid ?? ''), images.get(guid), deployments.get(guid)]
      return [
        guid,
        {
          ...(droplet === undefined ? {} : {droplet}),
          ...(packageImage === undefined ? {} : {packageImage}),
          ...(deployment === undefined ? {} : {deployment}),
        },
      ]
    }),
  )
}

async function findDroplets(controller: Controller, apps: readonly CloudFoundryApp[]): Promise<ReadonlyMap<string, Droplet>> {
  const purpose = 'find what apps run'
  const found = new Map<string, Droplet>()
  for (const guids of chunksOf(apps.flatMap(({dropletGuid}) => dropletGuid ?? []))) {
    for await (const json of controller.list('/v3/droplets', {query: {guids}, purpose})) {
      const droplet = readDroplet(json, purpose)
      found.set(droplet.guid, droplet)
    }
  }
  return found
}

async function findPackageImages(controller: Controller, apps: readonly CloudFoundryApp[]): Promise<ReadonlyMap<string, string>> {
  const purpose = 'find the packages of apps'
  const found = new Map<string, string>()
  for (const guids of chunksOf(apps.map(({guid}) => guid))) {
    // Oldest first: the newest one stays.
    const query = {app_guids: guids, types: 'docker', order_by: 'created_at'}
    for await (const json of controller.list('/v3/packages', {query, purpose})) {
      const image = textAt(json, 'data', 'image')
      if (image !== undefined) found.set(appOf(purpose, json), image)
    }
  }
  return found
}

async function findDeployments(controller: Controller, apps: readonly CloudFoundryApp[]): Promise<ReadonlyMap<string, Deployment>> {
  const purpose = 'find the deployments of apps'
  const found = new Map<string, Deployment>()
  for (const guids of chunksOf(apps.map(({guid}) => guid))) {
    const query = {app_guids: guids, status_values: 'ACTIVE', order_by: 'created_at'}
    for await (const json of controller.list('/v3/deployments', {query, purpose})) {
      found.set(appOf(purpose, json), readDeployment(purpose, json))
    }
  }
  return found
}

function appOf(purpose: string, json: unknown): string {
  return requireText(purpose, json, 'relationships', 'app', 'data', 'guid')
}

/** Values of a filter, as many at a time as one request may name. */
function chunksOf(guids: readonly string[]): readonly string[] {
  return Array.from({length: Math.ceil(guids.length / GUIDS_PER_REQUEST)}, (_, index) =>
    guids.slice(index * GUIDS_PER_REQUEST, (index + 1) * GUIDS_PER_REQUEST).join(','),
  )
}
