/** Files that users name: pipes, devices, directories and files of /proc hold up no command and fill no memory. */
import assert from 'node:assert/strict'
import {execFileSync} from 'node:child_process'
import {mkdirSync, symlinkSync} from 'node:fs'
import {join} from 'node:path'
import {cleanUpAfterwards} from '../support/afterwards.ts'
import {createHoldfast, type Holdfast} from '../support/holdfast.ts'
import {startCommand} from '../support/started-command.ts'
import {createTemporaryDirectory} from '../support/temporary-directory.ts'

describe('a file that a user names', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let user: Holdfast
  let path: (name: string) => string

  before(async () => {
    const temporary = await createTemporaryDirectory('input-files')
    afterwards(temporary.remove)
    path = (name) => join(temporary.path, name)
    user = await createHoldfast(temporary.path)
    execFileSync('mkfifo', [path('pipe')])
    mkdirSync(path('directory'))
    symlinkSync('/dev/zero', path('zero'))
    // Large, and no document, list or certificate: it is read within bounds, and refused for what it holds.
    symlinkSync('/proc/self/environ', path('proc'))
  })

  const COMMANDS: Readonly<Record<string, (file: string) => readonly string[]>> = {
    'registry add --ca-file': (file) => ['registry', 'add', 'it', 'https://127.0.0.1:1', '--no-probe', '--ca-file', file],
    'inspect --source-ca-file': (file) => ['inspect', '127.0.0.1:1/a:1', '--source-ca-file', file],
    warm: (file) => ['warm', file, '--dry-run'],
    'warm --access-log': (file) => ['warm', '--access-log', file, '--dry-run'],
    apply: (file) => ['apply', file],
    'mirror drill': (file) => ['mirror', 'drill', file, '--upstream', '127.0.0.1:1'],
    'serve --tls-cert': (file) => ['serve', '--listen', '127.0.0.1:0', '--tls-cert', file, '--tls-key', file],
  }

  for (const [command, args] of Object.entries(COMMANDS)) {
    it(`is refused by ${command} where it is a pipe, a device or a directory, and read within bounds where it is in /proc`, async () => {
      for (const [name, reason] of [
        ['pipe', 'it is not a regular file'],
        ['zero', 'it is not a regular file'],
        ['directory', 'it is a directory'],
      ] as const) {
        const {envelope, exitCode} = await user.json(args(path(name)))
        assert.deepEqual(
          [exitCode, envelope.error?.code, envelope.error?.message],
          [10, 'CONFIGURATION', `cannot read "${path(name)}": ${reason}`],
        )
      }
      const {envelope} = await user.json(args(path('proc')))
      assert.ok(envelope.error === undefined || envelope.error.code !== 'INTERNAL', JSON.stringify(envelope))
    })
  }

  for (const [command, args] of Object.entries({
    apply: ['apply', '-'],
    warm: ['warm', '-', '--dry-run'],
  })) {
    it(`is waited for by ${command} on standard input, until a signal comes`, async () => {
      const started = startCommand(user, args, {isAsked: true})
      await started.reads('# a remark\n'.repeat(20_000))
      started.kill('SIGTERM')
      const {exitCode} = await started.ended()
      assert.equal(exitCode, 130)
    })
  }
})
