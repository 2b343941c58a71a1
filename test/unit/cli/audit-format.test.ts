import assert from 'node:assert/strict'
import fc from 'fast-check'
import {formatJsonLine, formatSyslog} from '../../../src/lib/cli/audit-format.ts'
import {escapeText} from '../../../src/lib/core/terminal-text.ts'
import {assertNothingRaw} from '../../support/control-canary.ts'

const ENTRY = {
  id: 1,
  at: '2026-11-21T12:00:00.000Z',
  requestId: 'r-1',
  principal: 'ann',
  address: '192.0.2.1',
  action: 'pull',
  object: 'lab repository:base:pull',
  outcome: 'granted' as const,
  rule: 'U9',
}

describe('an entry of the audit log', () => {
  it('is a line of syslog, refusals with a warning', () => {
    assert.equal(
      formatSyslog(ENTRY, 'host'),
      '<110>1 2026-11-21T12:00:00.000Z host holdfast - pull [audit@32473 who="ann" from="192.0.2.1" action="pull" object="lab repository:base:pull" outcome="granted" rule="U9" request="r-1"]',
    )
    assert.match(formatSyslog({...ENTRY, outcome: 'refused'}, ''), /^<108>1 \S+ - holdfast /)
  })

  it('is one line, whatever somebody called himself, with no end of a value but its own', () => {
    fc.assert(
      fc.property(fc.string({unit: fc.constantFrom('a', '"', ']', '\\', '\n', '\r', '\0', '\u009b', '\u202e', 'é', ' ')}), (principal) => {
        const line = formatSyslog({...ENTRY, principal, action: principal}, 'host')
        assertNothingRaw(line, 'syslog')
        const value = /who="((?:[^"\\\]]|\\["\\\]])*)" from="/.exec(line)?.[1]
        assert.equal(value?.replaceAll(/\\(["\\\]])/g, '$1'), escapeText(principal))
        assert.deepEqual(JSON.parse(formatJsonLine({...ENTRY, principal})), {...ENTRY, principal})
        assertNothingRaw(formatJsonLine({...ENTRY, principal}), 'JSON')
        assert.ok(!`${line}${formatJsonLine({...ENTRY, principal})}`.includes('\n'))
      }),
    )
  })
})
