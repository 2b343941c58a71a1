import assert from 'node:assert/strict'
import {keepGivenFlags} from '../../../src/lib/cli/repeated-command.ts'

const GIVEN = [
  {name: 'to', value: '127.0.0.1:5000'},
  {name: 'app', value: 'my shop'},
  {name: 'new'},
  {name: 'probe', isNegated: true},
  {name: 'token-only', exclusive: ['cf']},
  {name: 'json'},
  {name: 'all'},
]
const FLAGS = "--to 127.0.0.1:5000 --app 'my shop' --new --no-probe --token-only"

describe('a hint that repeats the command that has run', () => {
  for (const [hint, expected] of [
    ['holdfast tag delete h/a:v1', `holdfast tag delete h/a:v1 ${FLAGS}`],
    ['holdfast tag delete', `holdfast tag delete ${FLAGS}`],
    ['holdfast tag delete h/a:v1   # goes on', `holdfast tag delete h/a:v1 ${FLAGS}   # goes on`],
    ['holdfast tag delete h/a < FILE', `holdfast tag delete h/a ${FLAGS} < FILE`],
  ] as const) {
    it(`keeps the flags that it was given: ${hint}`, () => assert.equal(keepGivenFlags(hint, 'tag delete', GIVEN), expected))
  }

  it('has its own value of a flag, leaves out what it says it is without, and what does not go with it', () => {
    assert.equal(
      keepGivenFlags('holdfast tag delete x --to other --cf API  # without --new', 'tag delete', GIVEN),
      "holdfast tag delete x --to other --cf API --app 'my shop' --no-probe  # without --new",
    )
  })

  for (const hint of ['holdfast tag deleted x', 'holdfast tag list x', 'holdfast tag delete --help', 'curl https://h/v2/']) {
    it(`is no other hint, which stays as it is: ${hint}`, () => assert.equal(keepGivenFlags(hint, 'tag delete', GIVEN), hint))
  }

  it('gives a value that begins with a dash so that it passes for no flag', () => {
    assert.equal(keepGivenFlags('holdfast copy', 'copy', [{name: 'app', value: '-x y'}]), "holdfast copy '--app=-x y'")
  })
})
