/** Rules as a security group of the targeted space. */
import type {SecurityGroupRule} from '../staging/egress/rules.ts'
import {spaceOf, type TargetedSpace} from './app-platform.ts'
import {requireFoundation} from './cloud-foundry.ts'
import type {Context} from './context.ts'

/** @throws {HoldfastError} CONFIGURATION where no space is targeted; DENIED for who is no administrator. */
export async function applySecurityGroup(
  context: Context,
  name: string,
  rules: readonly SecurityGroupRule[],
): Promise<{readonly applied: 'created' | 'updated' | 'unchanged'; readonly space: TargetedSpace}> {
  const [{ensureStagingGroup}, foundation] = await Promise.all([import('../cloud-foundry/security-groups.ts'), requireFoundation(context)])
  const applied = await ensureStagingGroup(foundation.controller, name, rules, foundation.space.guid)
  return {applied, space: spaceOf(foundation)}
}
