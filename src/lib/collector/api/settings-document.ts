/** The settings of a collector as they are stored. */
import type {DocumentStore} from '../store.ts'

const DOCUMENT = 'settings'

export interface Settings {
  /** `public`: every user has the three privileges. `private`: those to whom they were granted. */
  readonly policy: 'public' | 'private'
  /** Who answers for a registry or an app sees it though it was not published to him; off, publications are taken literally. */
  readonly responsibleSees: boolean
}

const DEFAULTS: Settings = {policy: 'private', responsibleSees: true}

export async function readSettings(store: Pick<DocumentStore, 'readDocument'>): Promise<Settings> {
  const content = await store.readDocument(DOCUMENT)
  return content === undefined ? DEFAULTS : {...DEFAULTS, ...JSON.parse(content)}
}

/** Writes again when another replica was faster. */
export async function changeSettings(store: DocumentStore, change: Partial<Settings>): Promise<Settings> {
  for (;;) {
    const previous = await store.readDocument(DOCUMENT)
    const settings: Settings = {...DEFAULTS, ...(previous === undefined ? {} : JSON.parse(previous)), ...change}
    if (await store.replaceDocument(DOCUMENT, previous, JSON.stringify(settings))) return settings
  }
}
