/** A genuine OpenID Connect provider (the certified `oidc-provider`) on loopback, and people who log in at it with a browser. */
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import type {AddressInfo} from 'node:net'
import {Provider} from 'oidc-provider'

export interface OidcPerson {
  readonly subject: string
  readonly name: string
  readonly email?: string
  readonly groups?: readonly string[]
}

export interface OidcProvider {
  readonly issuer: string
  readonly clientId: string
  /** Opens the page of a device code, logs in as a person and confirms; or refuses. */
  confirm(verificationUriComplete: string, person: OidcPerson, decision?: 'confirm' | 'abort'): Promise<void>
  stop(): Promise<void>
}

const CLIENT_ID = 'holdfast'
const MAX_HOPS = 20

export async function startOidcProvider(): Promise<OidcProvider> {
  const people = new Map<string, OidcPerson>()
  let handle: (request: IncomingMessage, response: ServerResponse) => unknown = () => {}
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT_ID,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
        response_types: [],
        redirect_uris: [],
      },
    ],
    features: {deviceFlow: {enabled: true}, devInteractions: {enabled: true}},
    claims: {openid: ['sub'], profile: ['preferred_username'], email: ['email', 'email_verified'], groups: ['groups']},
    scopes: ['openid', 'groups'],
    conformIdTokenClaims: false,
    cookies: {keys: ['a key of this test']},
    async findAccount(_context, id) {
      const person = people.get(id)
      if (person === undefined) return undefined
      const {subject, name, email, groups} = person
      return {
        accountId: id,
        claims: async () => ({
          sub: subject,
          preferred_username: name,
          ...(email === undefined ? {} : {email, email_verified: true}),
          ...(groups === undefined ? {} : {groups}),
        }),
      }
    },
  })
  handle = provider.callback()
  return {
    issuer,
    clientId: CLIENT_ID,
    async confirm(uri, person, decision = 'confirm') {
      people.set(person.subject, person)
      const browser = createBrowser()
      let page = await browser.open(uri)
      for (let hop = 0; hop < MAX_HOPS; hop++) {
        if (/Sign-in Success|request was interrupted/.test(page.html)) return
        const form = readForm(page)
        if (form === undefined) throw new Error(`no form at ${page.url}: ${page.html.slice(0, 500)}`)
        if (form.fields.has('login') || /name="login"/.test(page.html)) form.fields.set('login', person.subject).set('password', 'any')
        if (/name="abort"/.test(page.html)) form.fields.set(decision === 'abort' ? 'abort' : 'confirm', 'yes')
        page = await browser.open(form.action, form.fields)
      }
      throw new Error('the provider asks for ever')
    },
    stop: () => new Promise((resolve) => void server.close(() => resolve()).closeAllConnections()),
  }
}

interface Page {
  readonly url: string
  readonly html: string
}

/** Follows redirects and keeps cookies. */
function createBrowser(): {open(url: string, fields?: ReadonlyMap<string, string>): Promise<Page>} {
  const cookies = new Map<string, string>()
  return {
    async open(start, fields) {
      let url = start
      let form = fields
      for (let hop = 0; hop < MAX_HOPS; hop++) {
        const answer = await fetch(url, {
          method: form === undefined ? 'GET' : 'POST',
          redirect: 'manual',
          headers: {
            cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
            ...(form === undefined ? {} : {'content-type': 'application/x-www-form-urlencoded'}),
          },
          body: form === undefined ? null : new URLSearchParams([...form]).toString(),
        })
        for (const cookie of answer.headers.getSetCookie()) {
          const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
          if (value === '') cookies.delete(name)
          else cookies.set(name, value)
        }
        const location = answer.headers.get('location')
        if (location === null) return {url, html: await answer.text()}
        url = new URL(location, url).href
        form = undefined
      }
      throw new Error(`${start} redirects for ever`)
    },
  }
}

/** The form of a page with its hidden fields. */
function readForm({url, html}: Page): {readonly action: string; readonly fields: Map<string, string>} | undefined {
  const action = /<form[^>]*action="([^"]+)"/.exec(html)?.[1]
  if (action === undefined) return undefined
  const fields = new Map<string, string>()
  for (const [input] of html.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
    fields.set(/name="([^"]*)"/.exec(input)?.[1] ?? '', /value="([^"]*)"/.exec(input)?.[1] ?? '')
  }
  return {action: new URL(action.replaceAll('&amp;', '&'), url).href, fields}
}
