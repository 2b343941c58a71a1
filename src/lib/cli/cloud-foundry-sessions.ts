/** The sessions of Cloud Foundry that commands for apps find on this machine: ours, and that of the cf command line. */
import {readCfSession, sessionFile} from '../cloud-foundry/session-file.ts'
import {HoldfastError} from '../core/errors.ts'
import {type TerminalText, text} from '../core/terminal-text.ts'
import {rememberedTarget} from './cloud-foundry.ts'
import type {Context} from './context.ts'
import {homeDirectory} from './home-directory.ts'
import {formatTable} from './table.ts'

export interface FoundationSession {
  /** `https://api.example.com` */
  readonly api: string
  /** What made it: `holdfast login --cf`, or `cf login`. */
  readonly madeBy: 'holdfast' | 'cf'
  readonly organization?: string
  readonly space?: string
}

/** The one that is used first; asks neither a foundation nor the keychain, and shows no token. A session of cf that cannot be used is not among them. */
export async function listFoundationSessions(context: Context): Promise<readonly FoundationSession[]> {
  const file = sessionFile(context.environment.CF_HOME || homeDirectory())
  const [own, ofCf] = await Promise.all([
    rememberedTarget(context),
    readCfSession(file).catch((error: unknown) => {
      if (error instanceof HoldfastError) return undefined
      throw error
    }),
  ])
  const sessions = [['holdfast', own] as const, ['cf', ofCf] as const]
  return sessions.flatMap(([madeBy, session]) => {
    if (session === undefined) return []
    const {api, organization, space} = session
    return {
      api,
      madeBy,
      ...(organization === undefined ? {} : {organization: organization.name}),
      ...(space === undefined ? {} : {space: space.name}),
    }
  })
}

export function describeFoundationSessions(sessions: readonly FoundationSession[]): readonly TerminalText[] {
  if (sessions.length === 0) return []
  const rows = sessions.map(({api, organization = '-', space = '-', madeBy}) => [
    api,
    organization,
    space,
    madeBy === 'cf' ? 'cf login' : 'holdfast login --cf',
  ])
  return [...formatTable(['CLOUD FOUNDRY', 'ORG', 'SPACE', 'BY'], rows), ...(sessions.length === 1 ? [] : [text`the first one is used`])]
}
