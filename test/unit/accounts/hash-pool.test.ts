import assert from 'node:assert/strict'
import {argon2Sync} from 'node:crypto'
import {readFile} from 'node:fs/promises'
import {HashPool} from '../../../src/lib/accounts/hash-pool.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'

const JOB = {message: 'correct horse', nonce: Buffer.alloc(16, 1), memory: 64, passes: 1, parallelism: 1, tagLength: 32}

/** Runs in a thread: begins each job, and ends it when the gate is open. Counts what has begun. */
function deriveBehindGate(): void {
  const {parentPort, workerData} = process.getBuiltinModule('node:worker_threads')
  const gate = workerData as Int32Array
  parentPort?.on('message', (job: {message: string}) => {
    Atomics.add(gate, 1, 1)
    Atomics.notify(gate, 1)
    Atomics.wait(gate, 0, 0)
    parentPort.postMessage({hash: new TextEncoder().encode(job.message)})
  })
}

describe('the pool of password hashes', () => {
  let gate: Int32Array
  let pool: HashPool

  beforeEach(() => {
    gate = new Int32Array(new SharedArrayBuffer(8))
  })
  afterEach(async () => {
    open()
    await pool.close()
  })

  const gated = (maxThreads: number, maxWaiting: number): HashPool => {
    pool = new HashPool({maxThreads, maxWaiting, program: `(${deriveBehindGate.toString()})()`, workerData: gate})
    return pool
  }
  const open = (): void => {
    Atomics.store(gate, 0, 1)
    Atomics.notify(gate, 0)
  }
  /** Waits until so many jobs have begun. */
  const begun = async (count: number): Promise<void> => {
    for (let seen = Atomics.load(gate, 1); seen < count; seen = Atomics.load(gate, 1)) await Atomics.waitAsync(gate, 1, seen).value
  }

  it('derives what argon2 derives', async () => {
    pool = new HashPool({maxThreads: 2, maxWaiting: 2})
    const hashes = await Promise.all([JOB, JOB, JOB].map((job) => pool.derive(job)))
    for (const hash of hashes) assert.deepEqual(hash, argon2Sync('argon2id', JOB))
  })

  it('rejects what argon2 does not take, and goes on', async () => {
    pool = new HashPool({maxThreads: 1, maxWaiting: 2})
    await assert.rejects(pool.derive({...JOB, memory: 1}), /cannot derive a hash/)
    assert.deepEqual(await pool.derive(JOB), argon2Sync('argon2id', JOB))
  })

  it('keeps the event loop and the threads that read files free, however many hashes wait', async () => {
    gated(2, 100)
    const hashes = Array.from({length: 50}, () => pool.derive(JOB))
    await begun(2)
    // Every thread is held until the gate opens: a file that is read before that was read by others.
    for (let count = 0; count < 10; count++) await readFile(import.meta.filename)
    assert.equal(Atomics.load(gate, 1), 2, 'more hashes at once than threads')
    open()
    assert.equal((await Promise.all(hashes)).length, 50)
  })

  it('refuses at once when its queue is full, and says when to come again', async () => {
    gated(1, 2)
    const hashes = [1, 2, 3].map(() => pool.derive(JOB))
    await assert.rejects(pool.derive(JOB), (error) => {
      assert.ok(error instanceof HoldfastError)
      assert.deepEqual([error.code, error.details.retryAfterSeconds], ['OVERLOADED', 5])
      return true
    })
    open()
    await Promise.all(hashes)
    assert.equal((await pool.derive(JOB)).toString(), JOB.message)
  })

  it('takes who has logged in before others first', async () => {
    gated(1, 10)
    const order: string[] = []
    const derive = async (message: string, weight: number): Promise<void> => {
      order.push((await pool.derive({...JOB, message}, weight)).toString())
    }
    const all = [derive('first', 0), derive('guess', 0), derive('known', 1)]
    await begun(1)
    open()
    await Promise.all(all)
    assert.deepEqual(order, ['first', 'known', 'guess'])
  })

  it('survives a thread that ends, which fails its own hash only', async () => {
    const program = `const {parentPort} = require('node:worker_threads')
      parentPort.on('message', ({message}) => message === 'end' ? process.exit(3) : parentPort.postMessage({hash: Buffer.from(message)}))`
    pool = new HashPool({maxThreads: 1, maxWaiting: 10, program})
    const [ended, next] = await Promise.allSettled([pool.derive({...JOB, message: 'end'}), pool.derive({...JOB, message: 'next'})])
    assert.deepEqual([ended?.status, next?.status === 'fulfilled' && next.value.toString()], ['rejected', 'next'])
  })
})
