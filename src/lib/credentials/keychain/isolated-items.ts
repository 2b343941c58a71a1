/** Items of the keychain through a process of its own: a keychain that blocks can be given up, and the program still ends. */
import type {ChildProcessByStdio} from 'node:child_process'
import type {Readable, Writable} from 'node:stream'
import {ItemError, type ItemReply, type ItemRequest, type ItemStore} from './item-store.ts'

type KeychainProcess = ChildProcessByStdio<Writable, Readable, null>
type WithoutId<Request> = Request extends unknown ? Omit<Request, 'id'> : never

interface Waiting {
  readonly resolve: (reply: ItemReply) => void
  readonly reject: (error: ItemError) => void
}

/**
 * The process starts with the first request and ends with this one's end, or when the keychain has not answered for `timeoutMs`.
 * @param program the file that Node runs: it answers an ItemRequest a line on standard input with an ItemReply a line on standard output.
 */
export function createIsolatedItems(program: string, timeoutMs: number): ItemStore {
  const connection = new Connection(program, timeoutMs)
  return {
    async readItem(name) {
      const {value} = await connection.ask({operation: 'read', name})
      return value === undefined ? undefined : Buffer.from(value, 'base64')
    },
    async writeItem(name, value) {
      await connection.ask({operation: 'write', name, value: value.toString('base64')})
    },
    async deleteItem(name) {
      return (await connection.ask({operation: 'delete', name})).existed === true
    },
  }
}

class Connection {
  readonly #program: string
  readonly #timeoutMs: number
  readonly #waiting = new Map<number, Waiting>()
  #process: Promise<KeychainProcess> | undefined
  #lastId = 0

  constructor(program: string, timeoutMs: number) {
    this.#program = program
    this.#timeoutMs = timeoutMs
  }

  /** @throws {ItemError} */
  async ask(request: WithoutId<ItemRequest>): Promise<Exclude<ItemReply, {readonly failure: string}>> {
    const id = ++this.#lastId
    const {promise, resolve, reject} = Promise.withResolvers<ItemReply>()
    this.#waiting.set(id, {resolve, reject})
    const started = this.#start()
    const timer = setTimeout(() => {
      started.then((child) => child.kill('SIGKILL'))
      this.#fail(new ItemError('timeout', `it has not answered for ${this.#timeoutMs / 1000} s`))
    }, this.#timeoutMs)
    started.then((child) => {
      child.ref()
      child.stdin.write(`${JSON.stringify({...request, id})}\n`)
    })
    try {
      const reply = await promise
      if ('failure' in reply) throw new ItemError(reply.failure, reply.reason)
      return reply
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
      // An idle helper does not keep the program alive; it ends with its standard input.
      if (this.#waiting.size === 0) started.then(release)
    }
  }

  #start(): Promise<KeychainProcess> {
    this.#process ??= this.#spawn()
    return this.#process
  }

  async #spawn(): Promise<KeychainProcess> {
    const [{spawn}, {createInterface}] = await Promise.all([import('node:child_process'), import('node:readline')])
    const child = spawn(process.execPath, [this.#program], {stdio: ['pipe', 'pipe', 'ignore']})
    createInterface({input: child.stdout}).on('line', (line) => {
      const reply: ItemReply = JSON.parse(line)
      this.#waiting.get(reply.id)?.resolve(reply)
    })
    // It may be gone before it has read everything; `close` says so.
    child.stdin.on('error', () => {})
    child.once('error', (error) => this.#fail(new ItemError('unavailable', `its helper process does not start: ${error.message}`)))
    child.once('close', () => this.#fail(new ItemError('unavailable', 'its helper process has ended')))
    return child
  }

  #fail(error: ItemError): void {
    this.#process = undefined
    for (const {reject} of this.#waiting.values()) reject(error)
  }
}

function release(child: KeychainProcess): void {
  child.unref()
  for (const stream of [child.stdin, child.stdout]) if ('unref' in stream && typeof stream.unref === 'function') stream.unref()
}
