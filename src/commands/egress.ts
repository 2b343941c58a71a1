import * as Flags from '@oclif/core/flags'
import type {TargetedSpace} from '../lib/cli/app-platform.ts'
import {BaseCommand} from '../lib/cli/base-command.ts'
import {DISCOVERY_FLAGS, openInstanceSource} from '../lib/cli/discovery-flags.ts'
import {PLATFORM_FLAGS} from '../lib/cli/staging-command.ts'
import {text} from '../lib/core/terminal-text.ts'
import {EGRESS_FORMATS, type EgressFormat, type Hole} from '../lib/staging/egress/rules.ts'

interface Egress {
  readonly format: EgressFormat
  readonly holes: readonly Hole[]
  /** The rules in their format: JSON as it is, everything else as text. */
  readonly rules: unknown
  /** With --apply: what became of the security group. */
  readonly applied?: 'created' | 'updated' | 'unchanged'
  readonly space?: TargetedSpace
}

interface RenderFlags {
  readonly name: string
  readonly table: string
  readonly chain: string
  readonly selector: readonly string[]
  readonly origin?: readonly string[] | undefined
}

export default class EgressCommand extends BaseCommand<Egress> {
  static override readonly summary = 'Print the firewall rules that staging needs to reach the cache, and none besides.'
  static override readonly description =
    `One rule for each instance that is found, or one for a range (--cidr, --port). Nothing is opened for running apps: what runs is pulled by the platform itself.
Finding no instance is an error: Consul shows none to a token that may not read it, and applying nothing would close what was open. --allow-empty says that none is meant.
With --apply they become a security group of Cloud Foundry for the staging of the targeted space, by an administrator; done again, it changes nothing.

nftables: sets for the table that drops what it does not know (--table), and the rule that uses them in its chain (--chain), as a comment. A rule in another table could not open it.
kubernetes-networkpolicy: lets the pods of --selector reach DNS, the origin of the images (--origin) and the instances, and nothing else.`
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> --docker-registry-address 10.244.2.6:8080',
    '<%= config.bin %> <%= command.id %> --consul-cluster http://127.0.0.1:8500 --format cf-security-group',
    "<%= config.bin %> <%= command.id %> --cidr 10.244.2.0/24 --port 8080 --format nftables --table 'inet filter' --chain forward",
    '<%= config.bin %> <%= command.id %> --docker-registry-address 10.244.2.6:8080 --format kubernetes-networkpolicy --origin 10.1.2.0/24:5000',
    '<%= config.bin %> <%= command.id %> --docker-registry-address 10.244.2.6:8080 --apply',
  ]
  static override readonly flags = {
    format: Flags.option({
      env: 'HOLDFAST_FORMAT',
      options: EGRESS_FORMATS,
      default: 'diego' as EgressFormat,
      summary: 'Whose rules they are. Default: diego.',
    })(),
    cidr: Flags.string({
      env: 'HOLDFAST_CIDR',
      dependsOn: ['port'],
      helpValue: 'RANGE',
      summary: 'One rule for this range instead of one for each instance.',
    }),
    port: Flags.integer({
      env: 'HOLDFAST_PORT',
      min: 1,
      max: 65_535,
      dependsOn: ['cidr'],
      helpValue: 'N',
      summary: 'The port of every instance in the range.',
    }),
    name: Flags.string({
      env: 'HOLDFAST_NAME',
      helpValue: 'NAME',
      default: 'docker-cache',
      summary: 'Name of the security group or policy, and beginning of the names of the sets. Default: docker-cache.',
    }),
    table: Flags.string({
      env: 'HOLDFAST_TABLE',
      helpValue: "'FAMILY NAME'",
      default: 'inet filter',
      summary: 'Table of nftables that drops what staging containers send elsewhere. Default: inet filter.',
    }),
    chain: Flags.string({
      env: 'HOLDFAST_CHAIN',
      helpValue: 'NAME',
      default: 'forward',
      summary: 'Chain of that table. Default: forward.',
    }),
    origin: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_ORIGIN',
      helpValue: 'RANGE[:PORT]',
      summary: 'Where images come from, for the NetworkPolicy. Repeatable. Default: every public address, port 443.',
    }),
    selector: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      env: 'HOLDFAST_SELECTOR',
      helpValue: 'LABEL=VALUE',
      default: ['app.kubernetes.io/component=staging'],
      summary: 'The pods of the NetworkPolicy. Repeatable. Default: app.kubernetes.io/component=staging.',
    }),
    'allow-empty': Flags.boolean({summary: 'Let it be no rules where no instance is found.', exclusive: ['cidr']}),
    apply: Flags.boolean({env: 'HOLDFAST_APPLY', summary: 'Make it so at the targeted Cloud Foundry.'}),
    ...DISCOVERY_FLAGS,
    ...PLATFORM_FLAGS,
  }

  async run(): Promise<Egress> {
    const {flags} = await this.parse(EgressCommand)
    const context = this.openContext(flags)
    const rules = await import('../lib/staging/egress/rules.ts')
    const holes =
      flags.cidr !== undefined && flags.port !== undefined
        ? [rules.holeForRange(flags.cidr, flags.port)]
        : await rules.findHoles(await openInstanceSource(context, flags), {allowEmpty: flags['allow-empty'], signal: context.signal})
    if (flags.apply) {
      const {applySecurityGroup} = await import('../lib/cli/security-group.ts')
      const written = rules.securityGroupRules(holes)
      const {applied, space} = await applySecurityGroup(context, flags.name, written)
      this.output.print(text`security group "${flags.name}": ${applied}`)
      return {format: 'cf-security-group', holes, rules: written, applied, space}
    }
    const [document, value] = await this.#render(flags.format, holes, flags)
    this.output.printDocument(`${document.replace(/\n$/, '')}\n`)
    return {format: flags.format, holes, rules: value}
  }

  async #render(format: EgressFormat, holes: readonly Hole[], flags: RenderFlags): Promise<readonly [string, unknown]> {
    const {name, table, chain, selector, origin = []} = flags
    if (format === 'nftables') {
      const {nftablesSets} = await import('../lib/staging/egress/nftables.ts')
      const sets = nftablesSets(holes, {table, chain, name})
      return [sets, sets]
    }
    if (format === 'kubernetes-networkpolicy') {
      const [{parseSelector}, {formatYaml}, {networkPolicy, parseOrigin}] = await Promise.all([
        import('../lib/cli/selector.ts'),
        import('../lib/cli/yaml-document.ts'),
        import('../lib/staging/egress/network-policy.ts'),
      ])
      const policy = await formatYaml(networkPolicy(holes, {name, selector: parseSelector(selector), origins: origin.map(parseOrigin)}))
      return [policy, policy]
    }
    const {diegoRules, securityGroupRules} = await import('../lib/staging/egress/rules.ts')
    const value = format === 'diego' ? diegoRules(holes) : securityGroupRules(holes)
    return [JSON.stringify(value, undefined, 2), value]
  }
}
