#!/usr/bin/env node
// Runs the TypeScript source as it is: no build, no manifest.
'use strict'
void import('../src/main.ts').then(({mainFromSource}) => mainFromSource(process.argv.slice(2)))
