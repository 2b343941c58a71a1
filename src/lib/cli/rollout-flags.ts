/** How an app is moved to another release: the flags that every command has which moves one, and what is told while they wait. */
import * as Flags from '@oclif/core/flags'
import {DEFAULT_ROLLOUT, type Rollout, type RolloutProgress} from '../cloud-foundry/rollouts.ts'
import {parseDurationMs} from '../core/duration.ts'
import {HoldfastError} from '../core/errors.ts'
import {excerpt} from '../core/redaction.ts'
import {shellCommand} from '../core/shell.ts'
import {type TerminalText, text} from '../core/terminal-text.ts'

const SECONDS_PER_MINUTE = 60
const HELP_GROUP = 'ROLLOUT'

export const ROLLOUT_FLAGS = {
  strategy: Flags.option({
    options: ['rolling', 'canary', 'recreate'] as const,
    env: 'HOLDFAST_STRATEGY',
    default: 'rolling',
    helpGroup: HELP_GROUP,
    summary:
      'How an app that runs is moved. rolling: instance by instance. canary: one new instance, then `cf continue-deployment APP`. recreate: stopped, then started, for spaces without room. Default: rolling.',
  })(),
  'max-in-flight': Flags.integer({
    min: 1,
    env: 'HOLDFAST_MAX_IN_FLIGHT',
    helpGroup: HELP_GROUP,
    helpValue: 'N',
    summary: "Number of new instances that may start at a time. Default: the platform's own, 1.",
  }),
  'no-wait': Flags.boolean({
    env: 'HOLDFAST_NO_WAIT',
    helpGroup: HELP_GROUP,
    summary: 'Return when the first new instance runs; the others follow at the platform.',
  }),
  timeout: Flags.string({
    env: 'HOLDFAST_TIMEOUT',
    helpGroup: HELP_GROUP,
    helpValue: 'DURATION',
    summary:
      'How long no further new instance may run before the deployment is cancelled: 90s, 15m. Default: CF_STARTUP_TIMEOUT in minutes, else 5m.',
  }),
}

export interface RolloutFlags {
  readonly strategy?: Rollout['strategy'] | undefined
  readonly 'max-in-flight'?: number | undefined
  readonly 'no-wait'?: boolean | undefined
  readonly timeout?: string | undefined
}

/** @throws {HoldfastError} USAGE for a time that is none, and for what `recreate` does not know. */
export function readRollout(flags: RolloutFlags, environment: Readonly<Record<string, string | undefined>>): Rollout {
  const {strategy = DEFAULT_ROLLOUT.strategy, 'max-in-flight': maxInFlight, timeout} = flags
  if (strategy === 'recreate' && maxInFlight !== undefined) {
    throw new HoldfastError('USAGE', 'cannot use --max-in-flight with "--strategy recreate": all instances start at once', {
      hints: ['--strategy rolling --max-in-flight N'],
    })
  }
  const timeoutMs = timeout === undefined ? startupTimeoutMs(environment) : parseDurationMs(timeout)
  if (timeoutMs === undefined) {
    throw new HoldfastError('USAGE', `cannot wait for "${excerpt(timeout ?? '', 100)}": it is not a duration`, {
      hints: ['--timeout 15m'],
    })
  }
  return {...DEFAULT_ROLLOUT, strategy, maxInFlight, timeoutMs, waitsFor: flags['no-wait'] === true ? 'first' : 'all'}
}

/** In minutes and parts of them, as cf reads it; what is not a number is ignored, as cf does. */
function startupTimeoutMs({CF_STARTUP_TIMEOUT: minutes}: Readonly<Record<string, string | undefined>>): number {
  const ms = Math.floor(Number(minutes || Number.NaN) * SECONDS_PER_MINUTE) * 1000
  return ms > 0 && ms < Number.MAX_SAFE_INTEGER ? ms : DEFAULT_ROLLOUT.timeoutMs
}

const PHASES: Readonly<Record<Exclude<RolloutProgress['phase'], 'deploying' | 'starting'>, string>> = {
  paused: 'is paused',
  canceling: 'is being cancelled',
  canceled: 'was cancelled',
  superseded: 'was replaced by another one',
  deployed: 'is done',
}

/** One line each time that something changes. */
export function describeProgress({app, phase, process, instances, error}: RolloutProgress): TerminalText {
  const complaint = error === undefined ? '' : `; the platform says: ${error}`
  if (phase !== 'deploying' && phase !== 'starting') return text`the deployment of app "${app}" ${PHASES[phase]}${complaint}`
  const which = process === undefined ? `new instances of app "${app}"` : `instances of process "${process}" of app "${app}"`
  return text`${which}: ${describeInstances(instances)}${complaint}`
}

/** `1 running, 2 starting`. */
export function describeInstances(instances: RolloutProgress['instances']): string {
  const counts = Object.entries(instances ?? {}).filter(([, count]) => count > 0)
  return counts.length === 0 ? 'none yet' : counts.map(([state, count]) => `${count} ${state}`).join(', ')
}

/** What is left to do for an app that is still being moved; undefined when it is done. */
export function describeUnderWay(app: string, underWay: 'deploying' | 'paused' | undefined): TerminalText | undefined {
  if (underWay === undefined) return undefined
  if (underWay === 'deploying') return text`the first new instance of app "${app}" runs; the others follow: ${shellCommand`cf app ${app}`}`
  return text`one new instance of app "${app}" runs; to go on: ${shellCommand`cf continue-deployment ${app}`}; to go back: ${shellCommand`holdfast rollback ${app}`}`
}
