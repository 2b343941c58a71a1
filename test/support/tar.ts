/** Tar archives of plain files, the same bytes every time (POSIX ustar). */
const BLOCK_BYTES = 512
const NAME_BYTES = 100

/** An archive of one file: what a layer that adds one file holds. */
export function tarOfOneFile(name: string, content: Uint8Array): Buffer {
  if (Buffer.byteLength(name) > NAME_BYTES) throw new Error(`${name} is longer than ${NAME_BYTES} bytes`)
  const header = Buffer.alloc(BLOCK_BYTES)
  header.write(name, 0)
  octal(header, 0o644, 100, 8)
  octal(header, 0, 108, 8)
  octal(header, 0, 116, 8)
  octal(header, content.length, 124, 12)
  octal(header, 0, 136, 12)
  header.write('        ', 148)
  header.write('0', 156)
  header.write('ustar\u000000', 257)
  octal(
    header,
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  )
  const padding = Buffer.alloc((BLOCK_BYTES - (content.length % BLOCK_BYTES)) % BLOCK_BYTES)
  return Buffer.concat([header, content, padding, Buffer.alloc(2 * BLOCK_BYTES)])
}

/** An octal number of `width - 1` digits, and a NUL. */
function octal(header: Buffer, value: number, offset: number, width: number): void {
  header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, offset)
}
