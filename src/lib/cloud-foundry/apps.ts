/** Apps of a space, their annotations and one variable of theirs (API v3, apps). */
import {HoldfastError} from '../core/errors.ts'
import type {Controller} from './controller.ts'
import {annotationsAt, requireText, textAt, textsAt, valueAt} from './fields.ts'

export interface CloudFoundryApp {
  readonly guid: string
  readonly name: string
  readonly isStarted: boolean
  /** Of lifecycle `docker`: it runs images. */
  readonly runsImages: boolean
  readonly annotations: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  /** What it runs, or is being moved to; absent for an app that was never staged. */
  readonly dropletGuid?: string
}

/**
 * The app of that name, exactly: the filter of the API knows no case.
 * @throws {HoldfastError} OBJECT_NOT_FOUND naming those that are near.
 */
export async function findApp(controller: Controller, spaceGuid: string, name: string): Promise<CloudFoundryApp> {
  const purpose = `find app "${name}"`
  const near: string[] = []
  for await (const json of controller.list('/v3/apps', {query: {names: encodeFilter(name), space_guids: spaceGuid}, purpose})) {
    const app = decodeApp(json, purpose)
    if (app.name === name) return app
    near.push(app.name)
  }
  throw new HoldfastError('OBJECT_NOT_FOUND', `cannot ${purpose}: the targeted space has none of that name`, {
    hints: [...near.map((other) => `it has "${other}"`), 'cf target', 'holdfast app list'],
  })
}

/** The app as it is now. @throws {HoldfastError} OBJECT_NOT_FOUND */
export async function readApp(controller: Controller, {guid, name}: Pick<CloudFoundryApp, 'guid' | 'name'>): Promise<CloudFoundryApp> {
  const purpose = `find app "${name}"`
  return decodeApp(await controller.send('GET', `/v3/apps/${guid}`, {purpose}), purpose)
}

/** Those that run images, by name. */
export async function listImageApps(controller: Controller, spaceGuid: string): Promise<readonly CloudFoundryApp[]> {
  const purpose = 'list apps'
  const apps: CloudFoundryApp[] = []
  for await (const json of controller.list('/v3/apps', {query: {space_guids: spaceGuid, order_by: 'name'}, purpose})) {
    const app = decodeApp(json, purpose)
    if (app.runsImages) apps.push(app)
  }
  return apps
}

/** Those with a label of that value, by name, whatever they are built from. */
export async function listLabelledApps(
  controller: Controller,
  spaceGuid: string,
  label: string,
  value: string,
): Promise<readonly CloudFoundryApp[]> {
  const purpose = `list apps with the label "${label}"`
  const query = {space_guids: spaceGuid, label_selector: `${label}=${value}`, order_by: 'name'}
  const apps: CloudFoundryApp[] = []
  for await (const json of controller.list('/v3/apps', {query, purpose})) apps.push(decodeApp(json, purpose))
  return apps
}

/** Replaces labels; those that are not named stay. */
export async function labelApp(
  controller: Controller,
  {guid, name}: CloudFoundryApp,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  await controller.send('PATCH', `/v3/apps/${guid}`, {json: {metadata: {labels}}, purpose: `label app "${name}"`})
}

/** Replaces annotations; null takes one away, and those that are not named stay. */
export async function annotateApp(
  controller: Controller,
  {guid, name}: CloudFoundryApp,
  annotations: Readonly<Record<string, string | null>>,
): Promise<void> {
  await controller.send('PATCH', `/v3/apps/${guid}`, {json: {metadata: {annotations}}, purpose: `annotate app "${name}"`})
}

/** One variable; the answer has all of them, and no other is kept, shown or logged. */
export async function readVariable(controller: Controller, {guid, name}: CloudFoundryApp, variable: string): Promise<string | undefined> {
  const json = await controller.send('GET', `/v3/apps/${guid}/environment_variables`, {purpose: `read ${variable} of app "${name}"`})
  const value = valueAt(json, 'var', variable)
  return typeof value === 'string' ? value : undefined
}

/** Sets or takes away one variable; the others stay. The answer has all of them, and is dropped. */
export async function setVariable(
  controller: Controller,
  {guid, name}: CloudFoundryApp,
  variable: string,
  value: string | undefined,
): Promise<void> {
  const purpose = `set ${variable} of app "${name}"`
  await controller.send('PATCH', `/v3/apps/${guid}/environment_variables`, {json: {var: {[variable]: value ?? null}}, purpose})
}

/** A comma would part two values: in a filter it is encoded once more (API v3, filters). */
export function encodeFilter(value: string): string {
  return value.replaceAll(',', '%2C')
}

function decodeApp(json: unknown, purpose: string): CloudFoundryApp {
  const dropletGuid = textAt(json, 'relationships', 'current_droplet', 'data', 'guid')
  return {
    guid: requireText(purpose, json, 'guid'),
    name: requireText(purpose, json, 'name'),
    isStarted: textAt(json, 'state') === 'STARTED',
    runsImages: textAt(json, 'lifecycle', 'type') === 'docker',
    annotations: annotationsAt(json),
    labels: textsAt(json, 'metadata', 'labels'),
    ...(dropletGuid === undefined ? {} : {dropletGuid}),
  }
}
