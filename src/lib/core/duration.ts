/** Lengths of time, as users write them (`30s`, `15m`, `12h`, `7d`) and as they read them. */

const UNITS: Readonly<Record<string, number>> = {s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000}

/** In milliseconds; undefined for what is none, or nothing. */
export function parseDurationMs(text: string): number | undefined {
  const [, count = '', unit = ''] = /^([0-9]{1,6})([smhd])$/.exec(text) ?? []
  const ms = Number(count) * (UNITS[unit] ?? Number.NaN)
  return ms > 0 ? ms : undefined
}

const SECONDS_PER_MINUTE = 60
const SECONDS_PER_HOUR = 3600

/** Whole seconds as `8 s`, `2 min 5 s` or `3 h 20 min`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < SECONDS_PER_MINUTE) return `${whole} s`
  if (whole < SECONDS_PER_HOUR) return `${Math.floor(whole / SECONDS_PER_MINUTE)} min ${whole % SECONDS_PER_MINUTE} s`
  return `${Math.floor(whole / SECONDS_PER_HOUR)} h ${Math.floor((whole % SECONDS_PER_HOUR) / SECONDS_PER_MINUTE)} min`
}
