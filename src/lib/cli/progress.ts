/** Showing how far a transfer has come: one live line on a terminal, a plain line every few seconds elsewhere, nothing with `--json` or `--quiet`. */

import {escapeText} from '../core/terminal-text.ts'
import type {TransferListener} from '../transfer/events.ts'
import type {Output} from './output.ts'
import {TransferTally} from './transfer-tally.ts'

/** A transfer that is over sooner shows no live line. */
const LIVE_AFTER_MS = 300
const REDRAW_MS = 100
const PLAIN_EVERY_MS = 5_000

export interface Progress {
  readonly listener: TransferListener | undefined
  /** Takes the live line away until it is drawn again: call it before something is printed. */
  makeRoom(): void
  /** Takes the live line away. */
  stop(): void
}

/** Starts to listen; the timers never keep the process alive. */
export function createProgress(output: Output): Progress {
  if (!output.showsProgress) return {listener: undefined, makeRoom: () => {}, stop: () => {}}
  const tally = new TransferTally()
  const draw = output.terminal.canRedraw ? drawLive(tally, output) : drawPlain(tally, output)
  return {listener: (event) => tally.count(event, performance.now()), ...draw}
}

function drawPlain(tally: TransferTally, output: Output) {
  const timer = setInterval(() => output.note(tally.format(performance.now())), PLAIN_EVERY_MS).unref()
  return {makeRoom: () => {}, stop: () => clearInterval(timer)}
}

function drawLive(tally: TransferTally, output: Output) {
  let isOver = false
  let clear = () => {}
  let makeRoom = () => {}
  const start = async () => {
    const {default: ora} = await import('ora')
    if (isOver) return
    const line = ora({stream: process.stderr, text: tally.format(performance.now()), discardStdin: false, hideCursor: true}).start()
    const timer = setInterval(() => {
      line.text = tally.format(performance.now())
    }, REDRAW_MS).unref()
    makeRoom = () => void line.clear()
    clear = () => {
      clearInterval(timer)
      line.stop()
    }
  }
  const delay = setTimeout(() => void start().catch((error: unknown) => output.trace(escapeText(String(error)))), LIVE_AFTER_MS).unref()
  return {
    makeRoom: () => makeRoom(),
    stop: () => {
      isOver = true
      clearTimeout(delay)
      clear()
    },
  }
}
