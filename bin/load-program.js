// Loads a bundle. One that is missing or damaged is told of in one line: Node would print its minified source.
'use strict'
const {existsSync} = require('node:fs')
const {join} = require('node:path')

const EXIT_CONFIGURATION = 10
const MAX_REASON_CHARACTERS = 200

/** The module `file`, which must have a function `main`; undefined after an error was printed. */
exports.loadProgram = (file) => {
  try {
    const program = require(file)
    if (typeof program.main === 'function') return program
    throw new Error('it is incomplete')
  } catch (error) {
    refuse(file, error)
    return undefined
  }
}

function refuse(file, error) {
  const [line = ''] = String(error instanceof Error ? error.message : error).split('\n')
  const message = `cannot start "${file}": ${line.slice(0, MAX_REASON_CHARACTERS)}`
  const hint = existsSync(join(__dirname, '../src')) ? 'npm run build' : 'install Holdfast again'
  // What cannot be told is not told; the exit code stands.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  if (process.argv.includes('--json')) {
    const body = {code: 'CONFIGURATION', message, hints: [hint], retryable: false}
    process.stdout.write(`${JSON.stringify({ok: false, command: '', error: body, warnings: []})}\n`)
  } else {
    process.stderr.write(`Error: ${message} (CONFIGURATION); ${hint}\n`)
  }
  if (process.argv.includes('--debug')) process.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
  process.exitCode = EXIT_CONFIGURATION
}
