/**
 * Programs that tests start: none of them outlives the tests of its file, whatever failed. A server that was never told to stop would keep mocha, which waits
 * for it, for ever.
 */
import {type ChildProcess, spawn} from 'node:child_process'

const running = new Set<ChildProcess>()
let isOver = false

/** `spawn` of Node; what still runs after the last test is ended. */
export const spawnChild = ((...args: Parameters<typeof spawn>): ChildProcess => {
  if (isOver) throw new Error(`cannot start "${args[0]}": the tests are over`)
  const child = spawn(...args)
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}) as typeof spawn

/** Around all tests, or those of one file where files run side by side. */
export const mochaHooks = {
  beforeAll() {
    isOver = false
  },
  afterAll() {
    isOver = true
    for (const child of running) child.kill('SIGKILL')
  },
}
