#!/usr/bin/env node
// The launcher. Plain JavaScript that Node 18 parses too, so that an old Node can be told what is missing; CommonJS, since that starts faster.
'use strict'
const {join} = require('node:path')
const {name, version, engines} = require('../package.json')

const [oldestMajor, oldestMinor] = engines.node.match(/\d+/g).map(Number)
const [major, minor] = process.versions.node.split('.').map(Number)

if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
  const {runOnBundledNode} = require('./old-node.js')
  void runOnBundledNode(engines.node)
} else if (process.argv.length === 3 && process.argv[2] === '--version') {
  // Where this cannot be written, the program tells why.
  process.stdout.once('error', start)
  process.stdout.write(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}\n`)
} else {
  start()
}

function start() {
  const {useCompileCache} = require('./compile-cache.js')
  useCompileCache()
  const {loadProgram} = require('./load-program.js')
  loadProgram(join(__dirname, '../dist/main.cjs'))?.main(process.argv.slice(2))
}
