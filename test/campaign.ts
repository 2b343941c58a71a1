/**
 * `npm run campaign [FIRST_SEED [COPIES]]`: copies between registries that fail at random, as many as there is time for.
 * `npm run campaign -- apps [FIRST_SEED [LIVES]]`: random lives of an app on a fake foundation. Both end with the first that breaks a promise.
 */
import {startAppCampaign} from './support/app-campaign.ts'
import {startCampaign} from './support/copy-campaign.ts'
import {createTemporaryDirectory} from './support/temporary-directory.ts'

const [subject, ...numbers] = process.argv[2] === 'apps' ? process.argv.slice(2) : ['copies', ...process.argv.slice(2)]
if (subject === 'apps') await liveApps(...numbers.map(Number))
else await copyImages(...numbers.map(Number))

async function copyImages(firstSeed = 0, copies = 5_000): Promise<void> {
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
}

async function liveApps(firstSeed = 0, lives = 1_000): Promise<void> {
  const campaign = await startAppCampaign()
  let [lived, steps] = [0, 0]
  try {
    for (let seed = firstSeed; seed < firstSeed + lives; seed++) {
      steps += (await campaign.live(seed)).steps.length
      lived++
    }
  } finally {
    process.stdout.write(`${JSON.stringify({firstSeed, lived, steps})}\n`)
    await campaign.close()
  }
}
