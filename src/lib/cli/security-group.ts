/** Rules as a security group of the targeted space. */
import type {SecurityGroupRule} from '../staging/egress/rules.ts'
import {requireFoundation} from './cloud-foundry.ts'
import type {Context} from './context.ts'

/** @throws {HoldfastError} CONFIGURATION where no space is targeted; DENIED for who is no administrator. */
export async function applySecurityGroup(
  context: Context,
  name: string,
  rules: readonly SecurityGroupRule[],
): Promise<'created' | 'updated' | 'unchanged'> {
  const [{ensureStagingGroup}, foundation] = await Promise.all([import('../cloud-foundry/security-groups.ts'), requireFoundation(context)])
  return await ensureStagingGroup(foundation.controller, name, rules, foundation.space.guid)
}
