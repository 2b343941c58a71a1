/** A log of events in memory. */
import type {EventLog} from '../../src/lib/events/record-events.ts'
import type {RegistryEvent} from '../../src/lib/events/registry-event.ts'

export class MemoryEventLog implements EventLog {
  /** By registry and id, in order. */
  readonly kept = new Map<string, RegistryEvent>()
  /** How many were given at each call. */
  readonly batches: number[] = []
  /** Waited for before anything is kept; set by a test. */
  delay: () => Promise<void> = async () => {}

  get events(): readonly RegistryEvent[] {
    return [...this.kept.values()]
  }

  async append(registry: string, events: readonly RegistryEvent[]): Promise<ReadonlySet<string>> {
    await this.delay()
    this.batches.push(events.length)
    const fresh = events.filter(({id}) => !this.kept.has(`${registry} ${id}`))
    for (const event of fresh) this.kept.set(`${registry} ${event.id}`, event)
    return new Set(fresh.map(({id}) => id))
  }
}
