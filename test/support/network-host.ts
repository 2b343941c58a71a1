/** Another host on a network of its own with this machine: a network namespace and a pair of virtual interfaces. For root only. */
import {runOk} from './run-program.ts'

export interface NetworkHost {
  /** Its own address. */
  readonly address: string
  /** This machine's, as it sees it. */
  readonly gateway: string
  /** Asks a URL from there; answers the status, or the code of the failure. */
  ask(url: string, headers?: Readonly<Record<string, string>>): Promise<string>
  /** Runs a program there; answers its output. @throws {Error} for another exit code than 0. */
  run(program: string, args: readonly string[], input?: string): Promise<string>
  remove(): Promise<void>
}

/** @param number Tells several apart. */
export async function createNetworkHost(number: number): Promise<NetworkHost> {
  const name = `hf${process.pid % 10_000}-${number}`
  const subnet = `10.${200 + number}.${process.pid % 250}`
  const [address, gateway] = [`${subnet}.2`, `${subnet}.1`]
  const ip = (...args: readonly string[]) => runOk('ip', args)
  await ip('netns', 'add', name)
  await ip('link', 'add', `${name}a`, 'type', 'veth', 'peer', 'name', `${name}b`)
  await ip('link', 'set', `${name}b`, 'netns', name)
  await ip('addr', 'add', `${gateway}/24`, 'dev', `${name}a`)
  await ip('link', 'set', `${name}a`, 'up')
  await ip('-n', name, 'link', 'set', 'lo', 'up')
  await ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', `${name}b`)
  await ip('-n', name, 'link', 'set', `${name}b`, 'up')
  const program = `const [url, headers] = process.argv.slice(1)
fetch(url, {headers: JSON.parse(headers)}).then(({status}) => console.log(status), ({cause}) => console.log(cause?.code ?? 'failed'))`
  return {
    address,
    gateway,
    ask: async (url, headers = {}) =>
      (await runOk('ip', ['netns', 'exec', name, process.execPath, '-e', program, url, JSON.stringify(headers)])).trim(),
    run: async (program, args, input = '') => await runOk('ip', ['netns', 'exec', name, program, ...args], {input}),
    async remove() {
      // Its interfaces go with it.
      await ip('netns', 'del', name)
    },
  }
}
