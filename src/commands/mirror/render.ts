import {join, resolve} from 'node:path'
import * as Flags from '@oclif/core/flags'
import {BaseCommand} from '../../lib/cli/base-command.ts'
import {completePlan, givenOf, PLAN_FLAGS, readPlan} from '../../lib/cli/mirror-plan.ts'
import {escapeText} from '../../lib/core/terminal-text.ts'

interface Rendered {
  readonly directory: string
  readonly files: readonly string[]
}

export default class MirrorRender extends BaseCommand<Rendered> {
  static override readonly summary = 'Write what runs a protected mirror: nginx before it, its service, its clients.'
  static override readonly description =
    `The mirror listens where only nginx reaches it, and nginx answers only whom --allow names. Behind another proxy, --trusted-proxy names that one: it alone is believed about where a client comes from.
Several applications behind one nginx: --application NAME=HOST:PORT for each beside the mirror. Clients: docker, containerd, podman, buildkit, k3s, Concourse.
Without --url it is what "mirror init" has written into mirror.yml of the directory.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --url https://mirror.example.com --upstream docker.io --allow 10.0.0.0/8 --tls-cert m.pem --tls-key m.key --directory mirror',
    '<%= config.bin %> <%= command.id %> --url http://mirror.internal --upstream docker.io,ghcr.io --allow 10.0.0.0/8 --trusted-proxy 10.0.0.7',
    '<%= config.bin %> <%= command.id %> --target kubernetes --url https://mirror.example.com --upstream docker.io --allow 10.0.0.0/8 --store registry.internal/mirror --image registry.internal/holdfast@sha256:DIGEST --proxy-image registry.internal/nginx@sha256:DIGEST',
    '<%= config.bin %> <%= command.id %> --directory mirror',
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

  async run(): Promise<Rendered> {
    const {flags} = await this.parse(MirrorRender)
    const directory = resolve(flags.directory)
    const plan =
      flags.url === undefined ? await readPlan(directory, this.openContext(flags).signal) : completePlan(givenOf(flags), 'the flags')
    const [{renderMirror}, {writeFileAtomically}] = await Promise.all([
      import('../../lib/cli/mirror-rendering.ts'),
      import('../../lib/core/atomic-file.ts'),
    ])
    const files = await renderMirror(plan)
    for (const [file, text] of files) {
      await writeFileAtomically(join(directory, file), text)
      this.output.print(escapeText(join(directory, file)))
    }
    this.output.note(escapeText(NEXT[plan.target]))
    return {directory, files: [...files.keys()]}
  }
}

const NEXT = {
  systemd: 'nginx -t tells whether nginx takes it; holdfast mirror verify whether the mirror works without its upstream',
  compose: 'docker compose up -d, in that directory',
  kubernetes: 'kubectl apply -f kubernetes.yaml',
  cf: 'holdfast mirror deploy --environment staging',
} as const
