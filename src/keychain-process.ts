/** A process that talks to the keychain, so that whoever started it can end it when the keychain hangs. One JSON request a line on stdin, one reply a line on stdout. */
import {createInterface} from 'node:readline'
import {onCrash} from './lib/cli/crash.ts'
import {ItemError, type ItemReply, type ItemRequest} from './lib/credentials/keychain/item-store.ts'
import {createNativeItems} from './lib/credentials/keychain/native-items.ts'

// Its end is all that the program looks at; it says nothing of its own.
const fail = (): void => {
  process.exitCode = 1
}
onCrash(fail)
process.stdout.on('error', () => process.exit(1))

const items = createNativeItems()

createInterface({input: process.stdin}).on('line', (line) => {
  const request: ItemRequest = JSON.parse(line)
  answer(request).then(
    (reply) => process.stdout.write(`${JSON.stringify(reply)}\n`),
    () => process.exit(1),
  )
})

async function answer(request: ItemRequest): Promise<ItemReply> {
  const {id} = request
  try {
    if (request.operation === 'write') {
      await items.writeItem(request.name, Buffer.from(request.value, 'base64'))
      return {id}
    }
    if (request.operation === 'delete') return {id, existed: await items.deleteItem(request.name)}
    const value = await items.readItem(request.name)
    return value === undefined ? {id} : {id, value: value.toString('base64')}
  } catch (error) {
    if (!(error instanceof ItemError)) throw error
    return {id, failure: error.failure, reason: error.message}
  }
}
