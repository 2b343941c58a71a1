#!/usr/bin/env node
// The launcher. Plain JavaScript that Node 18 parses too, so that an old Node can be told what is missing.
import module from 'node:module'

const VERSION = '0.1.0'
const OLDEST_NODE = [24, 7]

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
  const {runOnBundledNode} = await import('./old-node.js')
  runOnBundledNode(OLDEST_NODE.join('.'))
} else if (process.argv.length === 3 && process.argv[2] === '--version') {
  process.stdout.write(`holdfast/${VERSION} ${process.platform}-${process.arch} node-${process.version}\n`)
} else {
  module.enableCompileCache()
  const {main} = await import('../dist/main.js')
  await main(process.argv.slice(2))
}
