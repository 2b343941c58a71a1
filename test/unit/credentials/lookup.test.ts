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

  it('asks in the order given, environment, logins, files, and no further than the first answer', async () => {
    const asked: string[] = []
    const source = (name: string, answers = false): CredentialSource => ({
      find: async () => {
        asked.push(name)
        return answers ? basic(name) : undefined
      },
    })
    const sources = {
      dockerConfig: source('files', true),
      logins: source('logins'),
      environment: source('environment'),
      given: source('given'),
    }
    assert.deepEqual(await createCredentialLookup(sources)(here, undefined), basic('files'))
    assert.deepEqual(asked.splice(0), ['given', 'environment', 'logins', 'files'])
    assert.deepEqual(
      await createCredentialLookup({...sources, environment: source('environment', true)})(here, undefined),
      basic('environment'),
    )
    assert.deepEqual(asked, ['given', 'environment'])
  })

  it('fails where a source fails, instead of going on to the next or to nobody', async () => {
    const logins: CredentialSource = {
      find: async () => {
        throw new Error('the keychain is locked')
      },
    }
    await assert.rejects(createCredentialLookup({logins, dockerConfig: everywhere})(here, undefined), /the keychain is locked/)
  })

  it('has nothing to say without sources', async () => {
    assert.equal(await createCredentialLookup({})(here, undefined), undefined)
  })
})
