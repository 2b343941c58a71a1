#!/usr/bin/env node
// Runs the TypeScript source as it is: no build, no manifest.
import {mainFromSource} from '../src/main.ts'

await mainFromSource(process.argv.slice(2))
