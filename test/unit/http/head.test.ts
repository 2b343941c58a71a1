import assert from 'node:assert/strict'
import {hasCode} from '../../../src/lib/core/errors.ts'
import {ChunkedDecoder} from '../../../src/lib/http/wire/chunked.ts'
import {formatRequestHead, MalformedAnswerError, parseAnswerHead} from '../../../src/lib/http/wire/head.ts'

const head = (...lines: readonly string[]) => parseAnswerHead(['HTTP/1.1 200 OK', ...lines].join('\r\n'))

describe('the head of an answer', () => {
  it('joins repeated headers under their lower-case name', () => {
    assert.equal(head('WWW-Authenticate: Basic', 'www-authenticate: Bearer').headers['www-authenticate'], 'Basic, Bearer')
  })

  it('keeps a header named __proto__ an ordinary header', () => {
    assert.deepEqual(Object.entries(head('__proto__: x').headers), [['__proto__', 'x']])
    assert.equal(head('a: b').headers.constructor, undefined)
  })

  for (const [name, lines, expected] of [
    ['one length', ['Content-Length: 12'], {kind: 'length', sizeBytes: 12}],
    ['the same length twice', ['Content-Length: 12', 'content-length: 12'], {kind: 'length', sizeBytes: 12}],
    ['chunks', ['Transfer-Encoding: Chunked'], {kind: 'chunked'}],
    ['neither', [], {kind: 'until-close'}],
  ] as const) {
    it(`finds the end of a body by ${name}`, () => assert.deepEqual(head(...lines).framing, expected))
  }

  it('prefers chunks to a length that contradicts them, and does not use the connection again (RFC 9112 §6.3)', () => {
    const both = head('Content-Length: 3', 'Transfer-Encoding: chunked')
    assert.deepEqual([both.framing.kind, both.keepAlive], ['chunked', false])
  })

  for (const [name, lines] of [
    ['differing lengths', ['Content-Length: 1', 'Content-Length: 2']],
    ['differing lengths in one line', ['Content-Length: 1, 2']],
    ['a negative length', ['Content-Length: -1']],
    ['a hexadecimal length', ['Content-Length: 0x10']],
    ['an empty length', ['Content-Length:']],
    ['a length beyond safe integers', ['Content-Length: 99999999999999999999']],
    ['an unknown transfer coding', ['Transfer-Encoding: gzip, chunked']],
    ['obsolete folding', ['A: b', ' c']],
    ['a space before the colon', ['Content-Length : 1']],
    ['a line without a colon', ['nothing']],
    ['a bare line feed', ['A: b\nContent-Length: 1']],
    ['a bare carriage return', ['A: b\rC: d']],
    ['a NUL', ['A: b\0c']],
  ] as const) {
    it(`refuses ${name}`, () => assert.throws(() => head(...lines), MalformedAnswerError))
  }

  for (const line of ['HTTP/2 200', 'HTTP/1.1 20', 'HTTP/1.1 600 x', 'http/1.1 200 OK', 'SSH-2.0-OpenSSH', '']) {
    it(`refuses the status line ${JSON.stringify(line)}`, () => assert.throws(() => parseAnswerHead(line), MalformedAnswerError))
  }

  it('keeps an HTTP/1.0 connection only when the server says so', () => {
    assert.equal(parseAnswerHead('HTTP/1.0 200 OK\r\nContent-Length: 0').keepAlive, false)
    assert.equal(parseAnswerHead('HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive').keepAlive, true)
  })
})

describe('the head of a request', () => {
  const request = (headers: Readonly<Record<string, string>>) =>
    formatRequestHead({method: 'PUT', target: '/v2/?a=b', host: 'h:1', headers, sizeBytes: 3, proxyAuthorization: undefined})

  it('has the length that the client knows, whatever the caller says', () => {
    const lines = request({'content-length': '9', host: 'evil', 'transfer-encoding': 'chunked', accept: 'x'}).split('\r\n')
    assert.deepEqual(lines, ['PUT /v2/?a=b HTTP/1.1', 'Host: h:1', 'accept: x', 'Content-Length: 3', '', ''])
  })

  for (const headers of [{a: 'b\r\nc: d'}, {'a\r\nb': 'c'}, {'a b': 'c'}, {a: 'ł'}]) {
    it(`refuses ${JSON.stringify(headers)}, which could smuggle a header, without showing its value`, () => {
      assert.throws(
        () => request(headers),
        (error) => hasCode(error, 'INTERNAL') && !error.message.includes('c: d'),
      )
    })
  }
})

describe('chunked bodies', () => {
  const decode = (pieces: readonly Buffer[]): {readonly body: string; readonly isDone: boolean; readonly rest: number} => {
    const decoder = new ChunkedDecoder()
    let body = ''
    let rest = 0
    for (const piece of pieces) {
      let start = 0
      for (;;) {
        const length = decoder.next(piece, start, piece.length)
        start = decoder.position
        if (length === 0) break
        body += piece.toString('latin1', start - length, start)
      }
      rest = piece.length - start
    }
    return {body, isDone: decoder.isDone, rest}
  }
  const wire = Buffer.from('5;ext=1\r\nhello\r\nA\r\n, chunked!\r\n0\r\nTrailer: x\r\n\r\n')

  it('come out the same wherever the pieces are cut', () => {
    for (let cut = 1; cut < wire.length; cut += 1) {
      assert.deepEqual(decode([wire.subarray(0, cut), wire.subarray(cut)]), {body: 'hello, chunked!', isDone: true, rest: 0})
    }
    assert.equal(decode([...wire].map((byte) => Buffer.from([byte]))).body, 'hello, chunked!')
  })

  it('leave what follows them untouched', () => {
    assert.deepEqual(decode([Buffer.concat([wire, Buffer.from('HTTP')])]), {body: 'hello, chunked!', isDone: true, rest: 4})
  })

  for (const text of [
    'x\r\n',
    '-1\r\n',
    '\r\n',
    '5\nhello',
    '3\r\nhello\r\n',
    '0x5\r\n',
    'FFFFFFFFFFFFFFFF\r\n',
    `1;${'e'.repeat(5000)}`,
    `0\r\n${'T: x\r\n'.repeat(2000)}`,
  ]) {
    it(`are refused: ${JSON.stringify(text.slice(0, 20))}`, () => assert.throws(() => decode([Buffer.from(text)]), MalformedAnswerError))
  }
})
