import assert from 'node:assert/strict'
import {errorBody, formatError, reportError} from '../../../src/lib/cli/error-report.ts'
import {loadPaint} from '../../../src/lib/cli/paint.ts'
import {PartialFailure} from '../../../src/lib/cli/partial-failure.ts'
import {HoldfastError, RegistryError, TransferError} from '../../../src/lib/core/errors.ts'

describe('an error report', () => {
  it('has the status of the registry that refused, however deep it lies', () => {
    const refusal = new RegistryError('DENIED', 'cannot push "x": denied', {httpStatus: 403})
    const body = errorBody(new TransferError('target', 'cannot copy "x": denied', refusal))
    assert.equal(body.httpStatus, 403)
    assert.deepEqual(body.details, {side: 'target'})
    assert.equal(body.code, 'DENIED')
  })

  it('takes the exit code from the table', () => {
    assert.equal(reportError(new HoldfastError('RATE_LIMITED', 'slow down')).exitCode, 11)
    assert.equal(reportError(new Error('boom')).exitCode, 1)
    assert.equal(reportError(Object.assign(new Error('stop'), {name: 'ExitPromptError'})).exitCode, 130)
    assert.equal(reportError(Object.assign(new Error('Nonexistent flag: --x\nSee more help with --help'), {oclif: {exit: 2}})).exitCode, 2)
  })

  it('carries what succeeded beside what failed', () => {
    assert.deepEqual(reportError(new PartialFailure('1 of 2 failed', {images: [1]})).result, {images: [1]})
  })

  it('shows no credentials of a URL, neither in an unknown error nor in its trace', () => {
    const leak = new Error('cannot get https://ada:s3cret@example.com/blob?token=s3cret')
    const report = reportError(new Error('outer', {cause: leak}))
    assert.doesNotMatch(JSON.stringify([report.body, report.trace]), /s3cret/)
    assert.doesNotMatch(errorBody(leak).message, /s3cret/)
    assert.match(report.trace.join('\n'), /caused by .*https:\/\/example\.com\/blob\?token=\*\*\*/)
  })

  it('ends for a cause that is its own', () => {
    const circular = new Error('around')
    circular.cause = circular
    assert.equal(reportError(circular).trace.filter((line) => line.startsWith('caused by ')).length, 9)
  })

  it('reads as message, code and hints to paste', async () => {
    const error = new HoldfastError('TLS', 'cannot trust "x": expired', {hints: ['openssl s_client', 'holdfast registry check']})
    assert.deepEqual(formatError(errorBody(error), await loadPaint(false)), [
      'Error: cannot trust "x": expired (TLS)',
      'Try:',
      '  openssl s_client',
      '  holdfast registry check',
    ])
  })
})
