import assert from 'node:assert/strict'
import {readFile} from 'node:fs/promises'
import {
  ERROR_TABLE,
  type ErrorCode,
  EXIT,
  HoldfastError,
  hasCode,
  IntegrityError,
  interrupted,
  RegistryError,
  TransferError,
} from '../../../src/lib/core/errors.ts'

const CODES = Object.keys(ERROR_TABLE) as ErrorCode[]

describe('ERROR_TABLE', () => {
  it('gives every code an exit code of the list, never 0', () => {
    const known: readonly number[] = Object.values(EXIT)
    for (const code of CODES) {
      assert.ok(known.includes(ERROR_TABLE[code].exitCode), code)
      assert.notEqual(ERROR_TABLE[code].exitCode, EXIT.ok, code)
    }
  })

  it('has codes that scripts can match on, and summaries that fit in a sentence', () => {
    for (const code of CODES) {
      assert.match(code, /^[A-Z][A-Z_]*[A-Z]$/)
      assert.match(ERROR_TABLE[code].summary, /^[a-zA-Z].{5,100}[^.]$/)
    }
  })

  it('calls only failures of the network and of rate limits retryable', () => {
    for (const code of CODES.filter((name) => ERROR_TABLE[name].retryable))
      assert.ok(
        [EXIT.network, EXIT.rateLimited].some((exitCode) => exitCode === ERROR_TABLE[code].exitCode),
        code,
      )
  })
})

describe('docs/errors.md', () => {
  it('lists exactly the codes of the table, with the same exit code and the same word on retrying', async () => {
    const text = await readFile(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
    const rows = [...text.matchAll(/^\| `([A-Z_]+)` \| ([0-9]+) \| (yes|no) \| (.+?) \| (.+?) \|$/gm)]
    const documented = rows.map(([, code, exitCode, retryable]) => ({code, exitCode: Number(exitCode), retryable: retryable === 'yes'}))
    const actual = CODES.map((code) => ({code, exitCode: ERROR_TABLE[code].exitCode, retryable: ERROR_TABLE[code].retryable}))
    assert.deepEqual(documented, actual)
  })

  it('lists every exit code', async () => {
    const text = await readFile(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
    const documented = [...text.matchAll(/^\| ([0-9]+) \| /gm)].map(([, exitCode]) => Number(exitCode))
    assert.deepEqual(documented, Object.values(EXIT))
  })
})

describe('HoldfastError', () => {
  it('takes exit code and retrying from the table', () => {
    const error = new HoldfastError('RATE_LIMITED', 'cannot read "x": later')
    assert.equal(error.exitCode, 11)
    assert.equal(error.retryable, true)
    assert.deepEqual([error.hints, error.details, error.cause], [[], {}, undefined])
  })

  it('keeps its cause', () => {
    const cause = new Error('why')
    assert.equal(new HoldfastError('NETWORK', 'm', {cause}).cause, cause)
  })
})

describe('RegistryError', () => {
  it("keeps the registry's own words", () => {
    const error = new RegistryError('DENIED', 'm', {httpStatus: 403, registryCode: 'DENIED', registryMessage: 'not you'})
    assert.ok(error instanceof HoldfastError)
    assert.deepEqual([error.httpStatus, error.registryCode, error.registryMessage], [403, 'DENIED', 'not you'])
  })
})

describe('TransferError', () => {
  it('says which side failed, with code, hints and details of its cause', () => {
    const cause = new HoldfastError('TLS', 'cannot reach "h": self-signed', {hints: ['--ca-file FILE'], details: {host: 'h'}})
    const error = new TransferError('target', 'cannot copy "a": target: self-signed', cause)
    assert.deepEqual([error.code, error.exitCode, error.hints, error.cause], ['TLS', 7, ['--ca-file FILE'], cause])
    assert.deepEqual(error.details, {host: 'h', side: 'target'})
  })
})

describe('hasCode', () => {
  it('matches any of the given codes, and nothing that is not ours', () => {
    assert.equal(hasCode(new IntegrityError('m'), 'INTEGRITY'), true)
    assert.equal(hasCode(interrupted(), 'NETWORK', 'INTERRUPTED'), true)
    assert.equal(hasCode(interrupted(), 'NETWORK'), false)
    assert.equal(hasCode(Object.assign(new Error('m'), {code: 'INTERRUPTED'}), 'INTERRUPTED'), false)
    assert.equal(hasCode(undefined, 'INTERNAL'), false)
  })
})
