/** The Nodes of this machine and of this checkout. */
import {createRequire} from 'node:module'
import {join, relative} from 'node:path'
import {run} from './run-program.ts'

const ROOT = join(import.meta.dirname, '../..')
const {findBundledNode}: {findBundledNode(root: string): string | undefined} = createRequire(import.meta.url)('../../bin/old-node.js')

/** Where npm puts the Node of this platform in a checkout, relative to its root. */
export const BUNDLED_NODE = relative(ROOT, findBundledNode(ROOT) ?? '')

/** Returns a Node of this machine that is older than Holdfast needs, or undefined. */
export async function findOldNode(): Promise<string | undefined> {
  for (const program of ['/usr/bin/node', '/usr/local/bin/node']) {
    const found = await run(program, ['-p', 'process.versions.node']).catch(() => undefined)
    if (found?.exitCode === 0 && Number(found.stdout.split('.')[0]) < 24) return program
  }
  return undefined
}
