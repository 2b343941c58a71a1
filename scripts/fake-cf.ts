/** `npm run fake-cf`: a fake Cloud Foundry on loopback, for trying things; it has one space and nobody's apps. */
import {parseArgs} from 'node:util'
import {FakeCloudFoundry} from '../test/support/fake-cf/fake-cf.ts'

const {values} = parseArgs({options: {port: {type: 'string', default: '0'}, app: {type: 'string', multiple: true, default: []}}})
const foundation = new FakeCloudFoundry({port: Number(values.port), rotate: true})
await foundation.start()
foundation.addUser({name: 'admin', password: 'admin', role: 'admin'})
const {spaceGuid} = foundation.addSpace('acme', 'dev')
for (const pair of values.app) {
  const [name = '', image] = pair.split('=')
  await foundation.addApp(spaceGuid, {name, ...(image === undefined ? {} : {image})})
}
process.stdout.write(`${foundation.url}
  holdfast login --cf ${foundation.url} --org acme --space dev --username admin --password-stdin   (the password is admin)
  npm run fake-cf -- --app NAME=HOST:PORT/IMAGE   gives it apps
`)
