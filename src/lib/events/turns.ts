/** One after the other for each key, in the order of arrival. */

/** Runs `work` when everything that came before under the same key has ended, well or not; undefined when too much waits there already. */
export type TakeTurn = <T>(key: string, work: () => Promise<T>) => Promise<T> | undefined

interface Queue {
  tail: Promise<unknown>
  length: number
}

/** @param maxWaiting how many may wait or run under one key. */
export function createTurns(maxWaiting: number): TakeTurn {
  const queues = new Map<string, Queue>()
  return (key, work) => {
    const queue = queues.get(key) ?? {tail: Promise.resolve(), length: 0}
    if (queue.length >= maxWaiting) return undefined
    queues.set(key, queue)
    queue.length++
    const turn = queue.tail.then(work)
    const end = (): void => {
      if (--queue.length === 0) queues.delete(key)
    }
    queue.tail = turn.then(end, end)
    return turn
  }
}
