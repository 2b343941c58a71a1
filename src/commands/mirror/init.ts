import {access} from 'node:fs/promises'
import {join, resolve} from 'node:path'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {completePlan, givenOf, MIRROR_TARGETS, PLAN_FILE, PLAN_FLAGS, writtenPlan} from '../../lib/cli/mirror-plan.ts'
import {parseUpstream} from '../../lib/cli/mirror-values.ts'
import {HoldfastError} from '../../lib/core/errors.ts'
import {escapeText, type TerminalText, text} from '../../lib/core/terminal-text.ts'
import {DOCKER_HUB} from '../../lib/oci/reference.ts'

interface Initialized {
  readonly directory: string
  readonly files: readonly string[]
}

const DESCRIPTIONS = {
  systemd: 'systemd: this machine, with nginx',
  compose: 'compose: containers on one machine',
  kubernetes: 'kubernetes: a cluster',
  cf: 'cf: Cloud Foundry',
} as const

export default class MirrorInit extends BaseCommand<Initialized> {
  static override readonly summary = 'Plan a protected mirror: writes mirror.yml, and all that it says.'
  static override readonly description =
    `On a terminal, asks for missing values. The keys of mirror.yml are the flags. After a change there, run "mirror render"; "mirror deploy" and "mirror status" read it, too.
Of several upstreams with docker.io among them, requests that name no registry are about docker.io (--unnamed): dockerd and Concourse name none.
Put the directory under version control: no secret is in it.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --target cf --url https://docker-mirror.app.example.com --staging-url https://docker-mirror-staging.app.example.com --upstream docker.io --allow 10.0.0.0/8 --trusted-proxy 10.0.16.0/24 --instances 4',
  ]
  static override readonly flags = {
    ...PLAN_FLAGS,
    directory: Flags.string({
      env: 'HOLDFAST_DIRECTORY',
      default: 'mirror',
      helpValue: 'DIR',
      summary: 'Where the files are written. Default: mirror.',
    }),
  }

  async run(): Promise<Initialized> {
    const {flags} = await this.parse(MirrorInit)
    const directory = resolve(flags.directory)
    const file = join(directory, PLAN_FILE)
    if (await isThere(file)) {
      throw new HoldfastError('CONFLICT', `cannot plan a mirror: "${file}" is there`, {
        hints: [`edit it, then: holdfast mirror render --directory ${flags.directory}`],
      })
    }
    const given = givenOf(flags)
    const {prompts} = this
    const ask = async (
      name: 'url' | 'upstream' | 'allow' | 'trusted-proxy' | 'tls-cert' | 'tls-key' | 'image' | 'proxy-image',
      message: TerminalText,
      otherwise?: string,
    ): Promise<string> => await prompts.input({message, flag: `--${name}`, ...(otherwise === undefined ? {} : {default: otherwise})})
    const target =
      flags.target ??
      (prompts.isInteractive
        ? await prompts.select({
            message: text`What is to run it?`,
            flag: '--target',
            choices: MIRROR_TARGETS.map((value) => ({value, name: escapeText(DESCRIPTIONS[value])})),
          })
        : 'systemd')
    const asksForImages = prompts.isInteractive && (target === 'compose' || target === 'kubernetes')
    const upstream = flags.upstream ?? listOf(await ask('upstream', text`What does it mirror?`, 'docker.io'))
    const url = flags.url ?? (await ask('url', text`How do clients reach it (https://host)?`))
    const asksForProxies = prompts.isInteractive && target === 'cf' && flags['trusted-proxy'] === undefined
    const asksForCertificate =
      prompts.isInteractive && target !== 'cf' && url.startsWith('https:') && (flags['trusted-proxy'] ?? flags['tls-cert']) === undefined
    const unnamed = flags.unnamed ?? (target === 'cf' ? undefined : unnamedOf(upstream))
    const plan = completePlan(
      {
        ...given,
        target,
        upstream,
        url,
        allow: flags.allow ?? listOf(await ask('allow', text`Which networks may use it (10.0.0.0/8, …)?`)),
        ...(unnamed === undefined ? {} : {unnamed}),
        ...(asksForProxies
          ? {'trusted-proxy': listOf(await ask('trusted-proxy', text`Which networks do the routers and load balancers before it have?`))}
          : {}),
        ...(asksForCertificate
          ? {
              'tls-cert': await ask('tls-cert', text`Which certificate has nginx (PEM file)?`),
              'tls-key': await ask('tls-key', text`Where is its private key?`),
            }
          : {}),
        ...(asksForImages
          ? {
              image: flags.image ?? (await ask('image', text`Which image has holdfast (NAME@sha256:…)?`)),
              'proxy-image': flags['proxy-image'] ?? (await ask('proxy-image', text`Which image is nginx (NAME@sha256:…)?`)),
            }
          : {}),
      },
      'the flags',
    )
    const [{renderMirror}, {formatYaml}, {writeFileAtomically}] = await Promise.all([
      import('../../lib/cli/mirror-rendering.ts'),
      import('../../lib/cli/yaml-document.ts'),
      import('../../lib/core/atomic-file.ts'),
    ])
    const remark = '# What holdfast mirror render, deploy and status work from. Its keys are the flags of holdfast mirror render.\n'
    const files = new Map([[PLAN_FILE, remark + (await formatYaml(writtenPlan(plan)))], ...(await renderMirror(plan))])
    for (const [name, content] of files) {
      await writeFileAtomically(join(directory, name), content)
      this.output.print(escapeText(join(directory, name)))
    }
    if (unnamed !== undefined && upstream.length > 1) {
      this.output.note(text`requests that name no registry are about ${unnamed}: those of dockerd and Concourse, which cannot name one`)
    }
    return {directory, files: [...files.keys()]}
  }
}

/** Clients that can name no registry mean Docker Hub. */
function unnamedOf(upstreams: readonly string[]): string | undefined {
  return upstreams.length > 1 && upstreams.some((one) => parseUpstream(one).host === DOCKER_HUB) ? DOCKER_HUB : undefined
}

function listOf(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((one) => one !== '')
}

async function isThere(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  )
}
