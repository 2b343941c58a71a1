import {resolve} from 'node:path'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {CF_SECRET_FLAG} from '../../lib/cli/cloud-foundry-flags.ts'
import type {Context} from '../../lib/cli/context.ts'
import {readPlan} from '../../lib/cli/mirror-plan.ts'
import {parseMirrorUrl} from '../../lib/cli/mirror-values.ts'
import {parseDurationMs} from '../../lib/core/duration.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {shellCommand} from '../../lib/core/shell.ts'
import {escapeText, text} from '../../lib/core/terminal-text.ts'
import type {DeployedMirror} from '../../lib/mirror/deploy.ts'

interface Deployed extends DeployedMirror {
  readonly environment: 'staging' | 'production'
  readonly organization: string
  readonly space: string
  readonly url: string
}

export default class MirrorDeploy extends BaseCommand<Deployed> {
  static override readonly summary = 'Bring a protected mirror to Cloud Foundry: bucket, mirror, nginx, and who reaches whom.'
  static override readonly description =
    `Works in the space that is targeted, from mirror.yml of the directory. What is there is left alone, so done again it makes nothing twice; apps that run go on running, instance by instance.
A deployment that fails in staging is left as it is, to be looked at; in production it is cancelled, and what ran before runs again. Production is only touched with --promote.
HOLDFAST_NOTIFY_URL is told what came of it, in the form that Slack takes.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --environment staging',
    '<%= config.bin %> <%= command.id %> --environment production --promote',
    '<%= config.bin %> <%= command.id %> --environment staging --only proxy --directory mirror',
  ]
  static override readonly flags = {
    ...CF_SECRET_FLAG,
    environment: Flags.option({
      env: 'HOLDFAST_ENVIRONMENT',
      options: ['staging', 'production'] as const,
      required: true,
      summary: 'staging, where it is tried, or production.',
    })(),
    promote: Flags.boolean({env: 'HOLDFAST_PROMOTE', summary: 'Yes, change what everybody uses.'}),
    only: Flags.option({
      env: 'HOLDFAST_ONLY',
      options: ['registry', 'proxy'] as const,
      summary: 'Only the mirror itself, or only the nginx before it.',
    })(),
    timeout: Flags.string({
      env: 'HOLDFAST_TIMEOUT',
      default: '15m',
      helpValue: 'DURATION',
      summary: 'How long instances may take to come up: 90s, 15m. Default: 15m.',
    }),
    directory: Flags.string({
      env: 'HOLDFAST_DIRECTORY',
      default: 'mirror',
      helpValue: 'DIR',
      summary: 'Where mirror.yml is. Default: mirror.',
    }),
  }

  async run(): Promise<Deployed> {
    const {flags} = await this.parse(MirrorDeploy)
    const {environment} = flags
    const plan = await readPlan(resolve(flags.directory), this.openContext(flags).signal)
    if (plan.target !== 'cf') {
      const command =
        plan.target === 'compose'
          ? 'docker compose up -d'
          : plan.target === 'kubernetes'
            ? 'kubectl apply -f kubernetes.yaml'
            : 'systemctl enable --now holdfast-mirror'
      throw new HoldfastError('USAGE', `cannot deploy: the target is ${plan.target}, which has a command of its own for that`, {
        hints: [shellCommand`holdfast mirror render --directory ${flags.directory}`, command],
      })
    }
    const isProduction = environment === 'production'
    if (isProduction && flags.promote !== true) {
      throw new HoldfastError('USAGE', 'cannot deploy to production: a mirror that fails takes every build with it, so it has to be said', {
        hints: ['holdfast mirror deploy --environment production --promote'],
      })
    }
    const given = isProduction ? plan.url : plan['staging-url']
    if (given === undefined) {
      throw new HoldfastError('USAGE', 'cannot deploy to staging: mirror.yml has no "staging-url"', {hints: ['staging-url: https://HOST']})
    }
    const url = parseMirrorUrl(given)
    const deploymentTimeoutMs = parseDurationMs(flags.timeout)
    if (deploymentTimeoutMs === undefined) {
      throw new HoldfastError('USAGE', `cannot wait for "${flags.timeout.slice(0, 100)}": it is not a duration`, {
        hints: ['--timeout 15m'],
      })
    }
    const context = this.openContext(flags)
    const [{deployMirror}, {cloudFoundryMirror}, {requireFoundation}, {notifyOf}] = await Promise.all([
      import('../../lib/mirror/deploy.ts'),
      import('../../lib/cli/mirror-rendering.ts'),
      import('../../lib/cli/cloud-foundry.ts'),
      import('../../lib/cli/notification.ts'),
    ])
    const mirror = cloudFoundryMirror(plan)
    const {controller, organization, space, network, stagingTimeoutMs} = await requireFoundation(context)
    this.leaves(() => ({left: 'nothing was changed'}))
    const place = `${organization.name}/${space.name}`
    const host = isProduction ? mirror.name : `${mirror.name}-staging`
    try {
      const deployed = await deployMirror({
        mirror,
        parts: flags.only === undefined ? ['registry', 'proxy'] : [flags.only],
        routes: {mirrorRoute: `${host}.${mirror.internalDomain}`, proxyRoute: new URL(url).host},
        pin: (image) => this.#pin(image, context),
        target: {
          controller,
          spaceGuid: space.guid,
          waiting: network,
          stagingTimeoutMs,
          deploymentTimeoutMs,
          onFailure: isProduction ? 'cancel' : 'keep',
          onStep: (step, left) => {
            this.leaves(() => ({left: `${left}; the same command again goes on`}))
            this.output.note(escapeText(step))
          },
        },
      })
      for (const {app} of deployed.parts) this.output.print(text`${app} runs in ${place}`)
      if (deployed.policy === 'created') this.output.note(text`only nginx may reach the mirror now`)
      await notifyOf(context, {environment, outcome: 'deployed', name: mirror.name, url}, this.output)
      return {environment, organization: organization.name, space: space.name, url, ...deployed}
    } catch (error) {
      const outcome = error instanceof HoldfastError && 'cancelled' in error.details ? 'cancelled' : 'failed'
      await notifyOf(context, {environment, outcome, name: mirror.name, url}, this.output)
      throw error
    }
  }

  /** @throws {HoldfastError} MANIFEST_NOT_FOUND */
  async #pin(image: string, context: Context): Promise<string> {
    const {formatPinned, manifestReference, parseReference} = await import('../../lib/oci/reference.ts')
    const reference = parseReference(image)
    const source = await context.openSource(reference)
    const found = await source.statManifest(reference.repository, manifestReference(reference))
    if (found !== undefined) return formatPinned(reference, found.digest)
    throw new HoldfastError('MANIFEST_NOT_FOUND', `cannot deploy "${image}": there is no such image`)
  }
}
