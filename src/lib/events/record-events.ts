/** Records what registries notify of: first in the log, then in the index. */
import {HoldfastError} from '../core/errors.ts'
import {type IndexChange, indexChange} from './index-changes.ts'
import type {RegistryEvent} from './registry-event.ts'
import {createTurns} from './turns.ts'

/** Events handed to the log at once: a statement of a database takes so many values. */
const BATCH_SIZE = 500
/** Notifications of one registry that wait for the log. A registry sends one after the other, and again after half a second without an answer. */
const MAX_WAITING = 256

/** Where events are kept. What it acknowledged survives a crash. */
export interface EventLog {
  /**
   * Keeps the events whose ids this registry has not sent before, all of them or none.
   * @returns the ids of those that it kept.
   */
  append(registry: string, events: readonly RegistryEvent[]): Promise<ReadonlySet<string>>
}

/** The index of repositories and tags, as far as events change it. */
export interface EventIndex {
  /**
   * Makes these changes in their order, all of them or none; each is later than everything that the index knows.
   * To set a tag makes its repository known; to delete or count what is not there changes nothing.
   */
  apply(registry: string, changes: readonly IndexChange[]): Promise<void>
}

export interface EventRecorderOptions {
  readonly log: EventLog
  readonly index: EventIndex
  /** The name under which the collector itself asks registries: the `sub` of its own tokens. What it does itself is neither kept nor counted: a sweep is many pulls, and what it deletes it records as what its user did. */
  readonly ownActor: string
}

/** What became of the events of one notification. */
export interface RecordedEvents {
  readonly recorded: number
  /** Delivered before. */
  readonly known: number
  /** Requests of the collector itself. */
  readonly own: number
}

export interface EventRecorder {
  /**
   * Settles when the events are safe in the log and applied to the index. Calls for one registry are done one after the other, since a registry that did not get its answer in time
   * sends the next notification while the last one is still being written.
   *
   * When the index fails, the events stay in the log and are known when they are delivered again: what the index missed, the next sweep repairs.
   * @throws {HoldfastError} STORAGE when too many notifications of this registry wait already: nothing of this one was kept, and it should be delivered again; and whatever log and index throw.
   */
  record(registry: string, events: readonly RegistryEvent[]): Promise<RecordedEvents>
}

export function createEventRecorder({log, index, ownActor}: EventRecorderOptions): EventRecorder {
  const takeTurn = createTurns(MAX_WAITING)

  async function keep(registry: string, events: readonly RegistryEvent[]): Promise<RecordedEvents> {
    const foreign = events.filter(({actor}) => actor !== ownActor)
    const ids = new Set<string>()
    const unique = foreign.filter(({id}) => !ids.has(id) && ids.add(id))
    let recorded = 0
    for (let start = 0; start < unique.length; start += BATCH_SIZE) {
      const batch = unique.slice(start, start + BATCH_SIZE)
      const fresh = await log.append(registry, batch)
      const news = batch.filter(({id}) => fresh.has(id))
      recorded += news.length
      const changes = news.map(indexChange).filter((change) => change !== undefined)
      if (changes.length > 0) await index.apply(registry, changes)
    }
    return {recorded, known: foreign.length - recorded, own: events.length - foreign.length}
  }

  return {
    async record(registry, events) {
      const turn = takeTurn(registry, () => keep(registry, events))
      if (turn === undefined)
        throw new HoldfastError('STORAGE', `cannot record notifications of "${registry}": ${MAX_WAITING} wait for the log already`, {
          details: {registry, waiting: MAX_WAITING},
        })
      return turn
    },
  }
}
