import assert from 'node:assert/strict'
import {resolve} from 'node:path'
import {dataDirectory} from '../../../src/lib/cli/data-directory.ts'

const HOME = '/home/ada'
const on = (platform: NodeJS.Platform) => ({platform, homeDirectory: HOME})

describe('the data directory', () => {
  it('is the one that was given, as an absolute path', () => {
    assert.equal(dataDirectory('data', {XDG_DATA_HOME: '/elsewhere'}, on('linux')), resolve('data'))
  })

  it('follows the conventions of the platform', () => {
    assert.equal(dataDirectory(undefined, {}, on('linux')), '/home/ada/.local/share/holdfast')
    assert.equal(dataDirectory('', {XDG_DATA_HOME: '/data'}, on('linux')), '/data/holdfast')
    assert.equal(dataDirectory(undefined, {XDG_DATA_HOME: ''}, on('freebsd')), '/home/ada/.local/share/holdfast')
    assert.equal(dataDirectory(undefined, {XDG_DATA_HOME: 'relative'}, on('linux')), '/home/ada/.local/share/holdfast')
    assert.equal(dataDirectory(undefined, {XDG_DATA_HOME: '/data'}, on('darwin')), '/home/ada/Library/Application Support/holdfast')
    assert.equal(dataDirectory(undefined, {LOCALAPPDATA: '/local'}, on('win32')), '/local/holdfast')
  })
})
