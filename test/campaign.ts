/** `npm run campaign [FIRST_SEED [COPIES]]`: copies between registries that fail at random, as many as there is time for. Ends with the first that breaks a promise. */
import {startCampaign} from './support/copy-campaign.ts'
import {createTemporaryDirectory} from './support/temporary-directory.ts'

const [firstSeed = 0, copies = 5_000] = process.argv.slice(2).map(Number)
const directory = await createTemporaryDirectory('campaign')
const campaign = await startCampaign(directory.path)
const ends = new Map<string, number>()
let faults = 0
try {
  for (let seed = firstSeed; seed < firstSeed + copies; seed++) {
    const copy = await campaign.copy(seed)
    faults += copy.faults
    const end = copy.code ?? copy.outcome
    ends.set(end, (ends.get(end) ?? 0) + 1)
  }
} finally {
  process.stdout.write(`${JSON.stringify({firstSeed, copies, faults, ends: Object.fromEntries(ends)}, undefined, 2)}\n`)
  await campaign.close()
  await directory.remove()
}
