/** Random lives of an app: whatever happened to it, its user's image comes back. `npm run campaign -- apps` lives more of them. */
import {type AppCampaign, startAppCampaign} from '../../support/app-campaign.ts'

const LIVES = 60

describe('an app, after any sequence of staging, refreshing, rolling back, failures, interruptions and other tools', function () {
  this.timeout(180_000)
  let campaign: AppCampaign

  before(async () => {
    campaign = await startAppCampaign()
  })
  after(() => campaign.close())

  it('runs again, when it has opted out, the image that its user named last; and what it runs is shown until then', async () => {
    for (let seed = 1; seed <= LIVES; seed++) await campaign.live(seed)
  })
})
