import assert from 'node:assert/strict'
import {cleanUpAfterwards} from '../../support/afterwards.ts'
import {type Campaign, type CampaignCopy, SYSTEMATIC_SEEDS, startCampaign} from '../../support/copy-campaign.ts'
import {createTemporaryDirectory} from '../../support/temporary-directory.ts'

/** Copies with faults by chance; `npm run campaign` goes on. */
const CHANCE_COPIES = 25

describe('a copy between registries that fail at random', function () {
  this.timeout(180_000)
  const afterwards = cleanUpAfterwards()
  let campaign: Campaign

  before(async () => {
    const directory = await createTemporaryDirectory('campaign')
    afterwards(directory.remove)
    campaign = await startCampaign(directory.path)
    afterwards(campaign.close)
  })

  it('ends with the right image at the target, or with a named error and no tag on half of it', async () => {
    const copies: CampaignCopy[] = []
    for (let seed = 0; seed < SYSTEMATIC_SEEDS + CHANCE_COPIES; seed++) copies.push(await campaign.copy(seed))
    const faults = copies.reduce((sum, copy) => sum + copy.faults, 0)
    // Neither of the two is the test's only case.
    assert.ok(
      faults > copies.length && copies.some(({outcome}) => outcome === 'copied') && copies.some(({outcome}) => outcome === 'failed'),
    )
  })
})
