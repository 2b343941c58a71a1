/** Numbers for people. */

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const
const UNIT_STEP = 1000

/** Bytes in decimal units with three significant digits: `999 B`, `3.42 MB`, `1.20 GB`. */
export function formatBytes(bytes: number): string {
  let value = Math.max(0, bytes)
  let unit = 0
  while (unit < BYTE_UNITS.length - 1 && Math.round(value) >= UNIT_STEP) {
    value /= UNIT_STEP
    unit++
  }
  return `${unit === 0 ? Math.round(value) : value.toPrecision(3)} ${BYTE_UNITS[unit]}`
}

/** A time of ISO 8601 in UTC to the minute: `2026-11-20 09:05`. */
export function formatMinute(time: string): string {
  return time.slice(0, 'yyyy-mm-ddThh:mm'.length).replace('T', ' ')
}

/** `1 image`, `2 images`. */
export function formatCount(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`
}
