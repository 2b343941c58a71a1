/** Clean-up that is written down where the thing to clean up is made. */

/**
 * Call it inside `describe`: answers a function that takes clean-up work. It is done after the suite's last test, last one first, whatever failed meanwhile.
 * @example const afterwards = cleanUpAfterwards(); before(async () => { const registry = await startDockerRegistry(); afterwards(registry.stop) })
 */
export function cleanUpAfterwards(): (work: () => unknown) => void {
  const pending: (() => unknown)[] = []
  after(async () => {
    const failures: unknown[] = []
    for (const work of pending.reverse()) {
      try {
        await work()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'clean-up failed')
  })
  return (work) => pending.push(work)
}
