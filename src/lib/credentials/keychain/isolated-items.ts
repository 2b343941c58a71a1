/** Items of the keychain through a process of its own: a keychain that blocks can be given up, and the program still ends. */
import type {ChildProcessByStdio} from 'node:child_process'
import type {Readable, Writable} from 'node:stream'
import {ItemError, type ItemReply, type ItemRequest, type ItemStore} from './item-store.ts'

type KeychainChild = ChildProcessByStdio<Writable, Readable, null>
type WithoutId<Request> = Request extends unknown ? Omit<Request, 'id'> : never
type Answer = Exclude<ItemReply, {readonly failure: string}>

/** The program that talks to the keychain. */
export interface KeychainProgram {
  /** What Node runs: it answers an ItemRequest a line on standard input with an ItemReply a line on standard output. */
  readonly file: string
  /** Its variables. They say where the keychain is, and need no credential. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** The process starts with the first request and ends with this one's end, or when the keychain has not answered for `timeoutMs`; the next request starts another. */
export function createIsolatedItems({file, environment}: KeychainProgram, timeoutMs: number): ItemStore {
  let current: KeychainProcess | undefined
  const ask = async (request: WithoutId<ItemRequest>): Promise<Answer> => {
    const [{spawn}, {createInterface}] = await Promise.all([import('node:child_process'), import('node:readline')])
    if (current === undefined || current.hasEnded) {
      const child = spawn(process.execPath, [file], {env: {...environment}, stdio: ['pipe', 'pipe', 'ignore']})
      const started = new KeychainProcess(child)
      createInterface({input: child.stdout}).on('line', (line) => started.settle(line))
      current = started
    }
    return await current.ask(request, timeoutMs)
  }
  return {
    async readItem(name) {
      const {value} = await ask({operation: 'read', name})
      return value === undefined ? undefined : Buffer.from(value, 'base64')
    },
    async writeItem(name, value) {
      await ask({operation: 'write', name, value: value.toString('base64')})
    },
    async deleteItem(name) {
      return (await ask({operation: 'delete', name})).existed === true
    },
  }
}

/** One such process and the requests that it has not answered yet. */
class KeychainProcess {
  /** Whether it answers no more requests. */
  hasEnded = false
  readonly #child: KeychainChild
  readonly #waiting = new Map<number, PromiseWithResolvers<ItemReply>>()
  #lastId = 0

  constructor(child: KeychainChild) {
    this.#child = child
    // It may be gone before it has read everything; `close` says so.
    child.stdin.on('error', () => {})
    child.once('error', (error) => this.#end(new ItemError('unavailable', `its helper process does not start: ${error.message}`)))
    child.once('close', () => this.#end(new ItemError('unavailable', 'its helper process has ended')))
  }

  /** @throws {ItemError} */
  async ask(request: WithoutId<ItemRequest>, timeoutMs: number): Promise<Answer> {
    const id = ++this.#lastId
    const waiting = Promise.withResolvers<ItemReply>()
    this.#waiting.set(id, waiting)
    this.#child.ref()
    this.#child.stdin.write(`${JSON.stringify({...request, id})}\n`)
    const timer = setTimeout(() => {
      this.#child.kill('SIGKILL')
      this.#end(new ItemError('timeout', `it has not answered for ${timeoutMs / 1000} s`))
    }, timeoutMs)
    try {
      const reply = await waiting.promise
      if ('failure' in reply) throw new ItemError(reply.failure, reply.reason)
      return reply
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
      // An idle process does not keep the program alive; it ends with its standard input.
      if (this.#waiting.size === 0) this.#release()
    }
  }

  /** Takes one line of its output. */
  settle(line: string): void {
    try {
      const reply: ItemReply = JSON.parse(line)
      this.#waiting.get(reply.id)?.resolve(reply)
    } catch {
      this.#child.kill('SIGKILL')
      this.#end(new ItemError('unavailable', 'its helper process writes something that is no reply'))
    }
  }

  #end(error: ItemError): void {
    this.hasEnded = true
    for (const {reject} of this.#waiting.values()) reject(error)
  }

  #release(): void {
    this.#child.unref()
    for (const stream of [this.#child.stdin, this.#child.stdout]) {
      if ('unref' in stream && typeof stream.unref === 'function') stream.unref()
    }
  }
}
