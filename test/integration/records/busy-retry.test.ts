import assert from 'node:assert/strict'
import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {DatabaseSync} from 'node:sqlite'
import {createBusyRetry} from '../../../src/lib/records/sqlite/busy-retry.ts'
import {isBusy} from '../../../src/lib/records/sqlite/failure.ts'

describe('the wait for the write lock', () => {
  let directory: string
  let ours: DatabaseSync
  let other: DatabaseSync
  /** Takes the lock, and is refused while `other` has it. */
  const take = (): void => ours.exec('BEGIN IMMEDIATE')

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-busy-'))
    const file = join(directory, 'a.db')
    // Without a wait of SQLite's own: the tests take no time.
    ours = new DatabaseSync(file, {timeout: 0})
    ours.exec('PRAGMA journal_mode = WAL; CREATE TABLE a (b INTEGER)')
    other = new DatabaseSync(file)
    other.exec('BEGIN IMMEDIATE')
  })
  afterEach(async () => {
    ours.close()
    other.close()
    await rm(directory, {recursive: true})
  })

  /** What `other` does after each refusal; returns the number of attempts and what came of them. */
  function attempt(afterRefusal: (attempts: number) => void, timeoutMs?: number): {attempts: number; error: unknown} {
    let attempts = 0
    try {
      createBusyRetry(
        ours,
        timeoutMs,
      )(() => {
        attempts++
        try {
          take()
        } catch (error) {
          afterRefusal(attempts)
          throw error
        }
      })
      return {attempts, error: undefined}
    } catch (error) {
      return {attempts, error}
    }
  }

  it('goes on while other processes commit', () => {
    const {attempts, error} = attempt((made) => other.exec(`INSERT INTO a VALUES (${made}); COMMIT${made < 4 ? '; BEGIN IMMEDIATE' : ''}`))
    assert.deepEqual([attempts, error, ours.isTransaction], [5, undefined, true])
  })

  it('ends when the process that holds the lock commits nothing', () => {
    const {attempts, error} = attempt(() => {})
    assert.deepEqual([attempts, isBusy(error)], [1, true])
  })

  it('ends after its time-out though others commit', () => {
    const {attempts, error} = attempt((made) => other.exec(`INSERT INTO a VALUES (${made}); COMMIT; BEGIN IMMEDIATE`), -1)
    assert.deepEqual([attempts, isBusy(error)], [1, true])
  })

  it('repeats nothing for another error', () => {
    other.exec('COMMIT')
    let attempts = 0
    assert.throws(() =>
      createBusyRetry(ours)(() => {
        attempts++
        other.exec('INSERT INTO a VALUES (1)')
        throw new Error('another')
      }),
    )
    assert.equal(attempts, 1)
  })
})
