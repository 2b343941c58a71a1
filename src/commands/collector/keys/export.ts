import * as Flags from '@oclif/core/flags'
import {CollectorCommand} from '../../../lib/cli/collector-command.ts'

interface PublicKeys {
  /** PEM. */
  readonly authority: string
  readonly jwks: {readonly keys: readonly object[]}
}

export default class CollectorKeysExport extends CollectorCommand<PublicKeys> {
  static override readonly summary = 'Print what registries must know: the certificate of the token authority, or the key set.'
  static override readonly description =
    'The certificate is the whole rootcertbundle of a registry (auth: token). No other authority belongs into that file: whatever it signs could sign tokens.'
  static override readonly examples = [
    '<%= config.bin %> <%= command.id %> > /etc/docker/registry/holdfast.pem',
    '<%= config.bin %> <%= command.id %> --jwks > jwks.json',
  ]
  static override readonly flags = {
    jwks: Flags.boolean({env: 'HOLDFAST_JWKS', summary: 'The JSON Web Key Set, for registries that take one.'}),
  }

  async run(): Promise<PublicKeys> {
    const {flags} = await this.parse(CollectorKeysExport)
    const [collector, {exportKeys}] = await Promise.all([this.openCollector(flags), import('../../../lib/collector/api/keys.ts')])
    const result = await collector.run(exportKeys, {})
    this.output.printDocument(`${flags.jwks ? JSON.stringify(result.jwks, undefined, 2) : result.authority.trimEnd()}\n`)
    return result
  }
}
