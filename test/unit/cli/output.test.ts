import assert from 'node:assert/strict'
import {PassThrough} from 'node:stream'
import {reportError} from '../../../src/lib/cli/error-report.ts'
import {Output} from '../../../src/lib/cli/output.ts'
import {PartialFailure} from '../../../src/lib/cli/partial-failure.ts'
import {HoldfastError} from '../../../src/lib/core/errors.ts'
import {escapeText, text} from '../../../src/lib/core/terminal-text.ts'
import {assertNothingRaw, assertShown, CANARY} from '../../support/control-canary.ts'

/** An output whose streams are kept. */
function capture(
  settings: {readonly json?: boolean; readonly debug?: boolean; readonly showsResults?: boolean; readonly hasColour?: boolean} = {},
) {
  const {json = false, debug = false, showsResults = false, hasColour = false} = settings
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const terminal = {stdout, stderr, showsResults, isInteractive: false, canRedraw: false, hasColour}
  const output = new Output({terminal, command: `cached ${CANARY}`, json, quiet: false, debug})
  return {output, stdout: () => stdout.read()?.toString() ?? '', stderr: () => stderr.read()?.toString() ?? ''}
}

describe('the output of a command', () => {
  it('shows outside text as escapes, in results, notes, warnings, instructions and traces', () => {
    const {output, stdout, stderr} = capture({debug: true})
    output.print(text`image ${CANARY}`)
    output.note(escapeText(CANARY))
    output.warn(text`${CANARY} is old`)
    output.instruct([text`open ${CANARY}`])
    output.trace(text`GET ${CANARY}`)
    const [results, rest] = [stdout(), stderr()]
    for (const [shown, lines] of [
      [results, 1],
      [rest, 4],
    ] as const) {
      assertNothingRaw(shown, 'output')
      assert.equal(shown.split('\n').length - 1, lines)
      assert.equal(shown.match(/\\u001b\[31m/g)?.length, lines)
    }
  })

  it('has JSON of the same value without a raw control, C1 and bidi controls too', () => {
    const {output, stdout} = capture({json: true})
    output.warn(text`${CANARY} is old`)
    output.succeed({[CANARY]: [CANARY, '👩‍💻 é']})
    const printed = stdout()
    assertNothingRaw(printed, 'the envelope')
    assert.equal(printed.split('\n').length, 2)
    assert.deepEqual(JSON.parse(printed).result, {[CANARY]: [CANARY, '👩‍💻 é']})
    assert.equal(JSON.parse(printed).command, `cached ${CANARY}`)
  })

  for (const json of [false, true]) {
    it(`reports errors as escapes ${json ? 'with' : 'without'} --json: message, hints, details, result, trace and causes`, async () => {
      const cause = new Error(`cause ${CANARY}`)
      cause.name = CANARY
      const errors = [
        new HoldfastError('USAGE', `cannot read "${CANARY}"`, {hints: [`holdfast ${CANARY}`], details: {[CANARY]: CANARY}, cause}),
        new PartialFailure(`cannot copy ${CANARY}`, {images: [CANARY]}, [CANARY]),
        new Error(CANARY),
        CANARY,
        Object.assign(new Error(`Unexpected argument: ${CANARY}\nSee more help with --help`), {oclif: {exit: 2}}),
      ]
      for (const error of errors) {
        const {output, stdout, stderr} = capture({json, debug: true})
        await output.fail(reportError(error, `cached ${CANARY}`))
        const [results, rest] = [stdout(), stderr()]
        assertNothingRaw(results, 'stdout')
        assertNothingRaw(rest, 'stderr')
        assertShown(json ? results : rest, 'the report')
      }
    })
  }

  it('has no control but its own colours where it is coloured', async () => {
    const {output, stderr} = capture({hasColour: true})
    await output.fail(reportError(new HoldfastError('USAGE', `cannot read "${CANARY}"`, {hints: [CANARY]})))
    const shown = stderr()
    assert.ok(shown.startsWith('\u001b[31m\u001b[1mError:\u001b[22m\u001b[39m cannot read "\\u001b[31m'), JSON.stringify(shown))
    const withoutColours = ['31', '1', '22', '39', '2'].reduce((left, code) => left.replaceAll(`\u001b[${code}m`, ''), shown)
    assertNothingRaw(withoutColours, 'the report')
  })

  it('keeps a message of several lines from passing for frames of the trace', () => {
    const forged = new Error('first\n    at forged-line (file.ts:1:1)')
    const {trace} = reportError(forged)
    assert.equal(trace[0], 'Error: first\\n    at forged-line (file.ts:1:1)')
    assert.ok(trace.slice(1).length > 0 && trace.slice(1).every((line) => line.startsWith('    at ') && !line.includes('forged-line')))
  })

  it('has a document exact in a pipe, and as escaped lines on a terminal', () => {
    const manifest = Buffer.from(`{\n  "a": "\u009b\u202e\u001b é"\n}\n`)
    const piped = capture()
    piped.output.printDocument(manifest)
    assert.equal(piped.stdout(), manifest.toString())
    const shown = capture({showsResults: true})
    shown.output.printDocument(manifest)
    assert.equal(shown.stdout(), '{\n  "a": "\\u009b\\u202e\\u001b é"\n}\n')
    const json = capture({json: true})
    json.output.printDocument(manifest)
    assert.equal(json.stdout(), '')
  })
})
