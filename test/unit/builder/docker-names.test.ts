import assert from 'node:assert/strict'
import {dockerNames} from '../../../src/lib/builder/docker-names.ts'

describe('names of images in the builder', () => {
  it('are taken apart as the builder takes them apart', () => {
    for (const [text, repository, tag, image] of [
      ['alpine', 'library/alpine', 'latest', 'library/alpine:latest'],
      ['alpine:3.20', 'library/alpine', '3.20', 'library/alpine:3.20'],
      ['acme/shop', 'acme/shop', 'latest', 'acme/shop:latest'],
      ['docker.io/library/alpine', 'library/alpine', 'latest', 'docker.io/library/alpine:latest'],
      ['localhost/shop:v1', 'shop', 'v1', 'localhost/shop:v1'],
      ['r.example.com:5000/shop', 'shop', 'latest', 'r.example.com:5000/shop:latest'],
      ['r.example.com:5000/acme/shop:v1', 'acme/shop', 'v1', 'r.example.com:5000/acme/shop:v1'],
      ['acme/shop@sha256:abc', 'acme/shop@sha256', 'abc', 'acme/shop@sha256:abc'],
    ] as const) {
      assert.deepEqual(dockerNames(text, false), {repository, tag, image}, text)
    }
  })

  it('are left whole before August 2015', () => {
    assert.deepEqual(dockerNames('alpine', true), {repository: 'alpine', tag: 'latest', image: 'alpine:latest'})
    assert.deepEqual(dockerNames('r.example.com:5000/shop:v1', true), {
      ...{repository: 'r.example.com:5000/shop', tag: 'v1'},
      image: 'r.example.com:5000/shop:v1',
    })
  })
})
