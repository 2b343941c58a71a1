/** A controller of the fake foundation, on a clock that waiting turns: nothing takes time. */
import {type Controller, createController} from '../../src/lib/cloud-foundry/controller.ts'
import type {Waiting} from '../../src/lib/cloud-foundry/releases.ts'
import {Secret} from '../../src/lib/core/secret.ts'
import type {FakeCloudFoundry} from './fake-cf/fake-cf.ts'

export interface FakeTime extends Waiting {
  /** Since the beginning. */
  elapsedMs(): number
}

export function createFakeTime(): FakeTime {
  let nowMs = 0
  return {
    now: () => new Date(nowMs),
    sleep: async (ms) => {
      nowMs += ms
    },
    elapsedMs: () => nowMs,
  }
}

/** As a user of the foundation, who is added here. */
export async function openFakeController(foundation: FakeCloudFoundry, network: Waiting): Promise<Controller> {
  const [username, password] = ['ann', 'password of ann']
  foundation.addUser({name: username, password, role: 'developer'})
  const answer = await fetch(`${foundation.url}/oauth/token`, {
    method: 'POST',
    headers: {authorization: `Basic ${Buffer.from('cf:').toString('base64')}`},
    body: new URLSearchParams({grant_type: 'password', username, password}),
  })
  const token = new Secret(((await answer.json()) as {access_token: string}).access_token)
  const session = {accessToken: async () => token, renew: async () => token}
  return createController({api: foundation.url, insecure: false, session, network})
}
