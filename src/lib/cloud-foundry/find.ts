/** Objects of a foundation by name: the filter of the API knows no case, so what is meant is compared here. */
import {encodeFilter} from './apps.ts'
import type {Controller} from './controller.ts'
import {textAt} from './fields.ts'

/** The object of exactly that name in a list; undefined when there is none. */
export async function findByName(
  controller: Controller,
  path: string,
  name: string,
  {purpose, query = {}}: {readonly purpose: string; readonly query?: Readonly<Record<string, string>>},
): Promise<unknown> {
  for await (const json of controller.list(path, {query: {names: encodeFilter(name), ...query}, purpose})) {
    if (textAt(json, 'name') === name) return json
  }
  return undefined
}
