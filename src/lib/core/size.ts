/** Amounts of bytes as people write them: `500GB`, `1.5TB`, `200GiB`. */

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** In bytes; undefined for what is none, or nothing. */
export function parseSize(text: string): number | undefined {
  const [, count = '', unit = ''] = /^([0-9]{1,6}(?:\.[0-9]{1,3})?) ?([kKMGT]?i?B)$/.exec(text) ?? []
  const bytes = Math.round(Number(count) * (UNITS[unit] ?? Number.NaN))
  return bytes > 0 ? bytes : undefined
}
