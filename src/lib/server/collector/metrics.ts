/** What Prometheus reads of a collector (OpenMetrics text format 0.0.4). */
import {Counter, collectDefaultMetrics, Gauge, Histogram, Registry} from 'prom-client'

const SWEEP_SECONDS = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800]

export interface CollectorMetrics {
  readonly contentType: string
  text(): Promise<string>
  tokenAnswered(status: number): void
  decided(action: string, rule: string, granted: boolean): void
  notified(status: number): void
  swept(registry: string, durationMs: number, isComplete: boolean): void
}

export function createMetrics(): CollectorMetrics {
  const registry = new Registry()
  collectDefaultMetrics({register: registry, prefix: 'holdfast_'})
  const registers = [registry]
  const tokens = new Counter({
    name: 'holdfast_token_requests_total',
    help: 'Requests for tokens, by the status of the answer.',
    labelNames: ['status'],
    registers,
  })
  const decisions = new Counter({
    name: 'holdfast_access_decisions_total',
    help: 'Decisions of the access policy, by action, rule and outcome.',
    labelNames: ['action', 'rule', 'outcome'],
    registers,
  })
  const events = new Counter({
    name: 'holdfast_notifications_total',
    help: 'Deliveries of notifications, by the status of the answer.',
    labelNames: ['status'],
    registers,
  })
  const sweeps = new Histogram({
    name: 'holdfast_discovery_duration_seconds',
    help: 'How long sweeps of a registry took.',
    labelNames: ['registry'],
    buckets: SWEEP_SECONDS,
    registers,
  })
  const up = new Gauge({
    name: 'holdfast_registry_up',
    help: 'Whether the last sweep of a registry read everything.',
    labelNames: ['registry'],
    registers,
  })
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    tokenAnswered: (status) => tokens.inc({status}),
    decided: (action, rule, granted) =>
      decisions.inc({action: isKnown(action) ? action : 'other', rule, outcome: granted ? 'granted' : 'refused'}),
    notified: (status) => events.inc({status}),
    swept(name, durationMs, isComplete) {
      sweeps.observe({registry: name}, durationMs / 1000)
      up.set({registry: name}, isComplete ? 1 : 0)
    },
  }
}

/** Actions come from whoever asks: what is made up must not fill the memory. */
function isKnown(action: string): boolean {
  return ['pull', 'push', 'delete', 'search'].includes(action)
}
