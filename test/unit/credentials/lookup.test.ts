import assert from 'node:assert/strict'
import type {RegistryCredential} from '../../../src/lib/content/remote/endpoint.ts'
import {createGivenCredentials} from '../../../src/lib/credentials/given.ts'
import {type CredentialSource, createCredentialLookup} from '../../../src/lib/credentials/lookup.ts'
import {parseRegistryHost} from '../../../src/lib/oci/reference.ts'

const here = parseRegistryHost('here.example.com')
const there = parseRegistryHost('there.example.com')
const basic = (username: string): RegistryCredential => ({kind: 'basic', username, password: 'pw'})
const everywhere: CredentialSource = {find: async () => basic('configured')}

describe('the lookup of credentials', () => {
  it('takes what was given for the run before what a file says', async () => {
    const given = createGivenCredentials(new Map([[here, basic('given')]]))
    const lookup = createCredentialLookup({dockerConfig: everywhere, given})
    assert.deepEqual(await lookup(here, undefined), basic('given'))
  })

  it('never answers with what was given for another registry', async () => {
    const given = createGivenCredentials(new Map([[here, basic('given')]]))
    assert.deepEqual(await createCredentialLookup({given, dockerConfig: everywhere})(there, undefined), basic('configured'))
    assert.equal(await createCredentialLookup({given})(there, undefined), undefined)
  })

  it('has nothing to say without sources', async () => {
    assert.equal(await createCredentialLookup({})(here, undefined), undefined)
  })
})
