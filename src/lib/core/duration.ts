/** Lengths of time as people write them: `30s`, `15m`, `12h`, `7d`. */

const UNITS: Readonly<Record<string, number>> = {s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000}

/** In milliseconds; undefined for what is none, or nothing. */
export function parseDurationMs(text: string): number | undefined {
  const [, count = '', unit = ''] = /^([0-9]{1,6})([smhd])$/.exec(text) ?? []
  const ms = Number(count) * (UNITS[unit] ?? Number.NaN)
  return ms > 0 ? ms : undefined
}
