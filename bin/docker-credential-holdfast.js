#!/usr/bin/env node
// What docker, podman and skopeo run: a bundle of its own, since it is started for every pull.
'use strict'
const {join} = require('node:path')
const {engines} = require('../package.json')

const [oldestMajor, oldestMinor] = engines.node.match(/\d+/g).map(Number)
const [major, minor] = process.versions.node.split('.').map(Number)

if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
  const {runOnBundledNode} = require('./old-node.js')
  void runOnBundledNode(engines.node)
} else {
  const {useCompileCache} = require('./compile-cache.js')
  useCompileCache()
  const {loadProgram} = require('./load-program.js')
  loadProgram(join(__dirname, '../dist/docker-credential.cjs'))?.main(process.argv[2] ?? '')
}
