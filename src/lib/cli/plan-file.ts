/** Plans of `apply` in files: made by a dry run, reviewed, and applied later. */
import type {Plan} from '../collector/api/document.ts'
import {HoldfastError} from '../core/errors.ts'
import {readInputFile} from './input-file.ts'

/** A document has a megabyte at most, and the plan names each of its values up to three times. */
const MAX_PLAN_BYTES = 16 * 1024 * 1024

/** @throws {HoldfastError} STORAGE */
export async function writePlan(file: string, plan: Plan): Promise<void> {
  const {writeFileAtomically} = await import('../core/atomic-file.ts')
  await writeFileAtomically(file, `${JSON.stringify(plan, undefined, 2)}\n`)
}

/** @throws {HoldfastError} CONFIGURATION when it cannot be read; USAGE when it is not a plan. */
export async function readPlan(file: string, signal: AbortSignal): Promise<Plan> {
  const text = (await readInputFile(file, signal, MAX_PLAN_BYTES)).toString('utf8')
  const [{checkInput}, {PlanShape}] = await Promise.all([import('../collector/api/operation.ts'), import('../collector/api/document.ts')])
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new HoldfastError('USAGE', `cannot read plan "${file}": it is not JSON`, {
      hints: ['holdfast apply FILE --dry-run --save-plan PLAN'],
      cause,
    })
  }
  return checkInput({id: `read plan ${file}`, input: PlanShape}, json)
}
