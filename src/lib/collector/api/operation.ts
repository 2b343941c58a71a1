/**
 * What a collector can be asked to do. One definition serves the CLI in process, the REST API, its client and the OpenAPI document:
 * name, method and path, the shapes of what goes in and out, who may, and the work.
 */
import {type Static, type TObject, type TProperties, type TSchema, Type} from 'typebox'
import {Compile} from 'typebox/compile'
import {HoldfastError} from '../../core/errors.ts'
import type {Secret} from '../../core/secret.ts'
import type {SweepResult} from '../../discovery/sweep.ts'
import type {OpenManagedRepository} from '../managed-repository.ts'
import type {ManagedRegistry, Privilege, User} from '../objects.ts'
import type {AuditEntry, CollectorStore} from '../store.ts'
import type {TrustStep} from '../trust-check.ts'

/** Who asks: the owner of the machine that the database is on, or a user who has proven who he is. */
export type Caller = {readonly kind: 'machine'} | {readonly kind: 'user'; readonly user: User}

/** What proves passwords and services; the hashes are what is stored. */
export interface SecretMaker {
  hashPassword(password: Secret): Promise<string>
  /** A new secret of a service, and its hash. */
  makeServiceSecret(): {readonly secret: Secret; readonly hash: string}
  /** A new secret for the notifications of a registry, and its hash. */
  makeEventsSecret(): {readonly secret: Secret; readonly hash: string}
}

/** One call of an operation. */
export interface Call {
  readonly store: CollectorStore
  readonly caller: Caller
  readonly secrets: SecretMaker
  readonly now: () => Date
  /** Sweeps a registry, where that is done. */
  readonly sweep?: ((registry: ManagedRegistry) => Promise<SweepResult>) | undefined
  /** Asks a registry whether it trusts this collector, where that is done. */
  readonly checkTrust?: ((registry: ManagedRegistry) => Promise<readonly TrustStep[]>) | undefined
  /** Opens a repository of a managed registry with the collector's own rights, where that is done. */
  readonly openRepository?: OpenManagedRepository | undefined
  /** Writes into the audit log, as the caller: what an operation does to several objects is one entry each. */
  readonly audit?: ((entries: readonly Pick<AuditEntry, 'action' | 'object' | 'outcome' | 'rule'>[]) => Promise<void>) | undefined
  /** Proves that a password is the user's, as a login does. @throws {HoldfastError} UNAUTHENTICATED, RATE_LIMITED. */
  readonly provePassword?: ((name: string, password: Secret) => Promise<unknown>) | undefined
}

export interface Operation<Input extends TObject = TObject, Output extends TSchema = TSchema> {
  /** `user.add` */
  readonly id: string
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Below `/api/v1`; `{name}` stands for that property of the input. */
  readonly path: string
  /** One sentence. */
  readonly summary: string
  readonly input: Input
  readonly output: Output
  /** Properties of the input that are secrets: they never go into an audit or a log. */
  readonly secretInputs?: readonly string[]
  run(input: Static<Input>, call: Call): Promise<Static<Output>>
}

/** Keeps the types of an operation. */
export function defineOperation<Input extends TObject, Output extends TSchema>(
  operation: Operation<Input, Output>,
): Operation<Input, Output> {
  return operation
}

/** An object without other properties. */
export function shape<Properties extends TProperties>(properties: Properties): TObject<Properties> {
  return Type.Object(properties, {additionalProperties: false})
}

const validators = new Map<TSchema, ReturnType<typeof Compile>>()

/**
 * The input, if it has the operation's shape.
 * @throws {HoldfastError} USAGE naming the first property that has not; never its value.
 */
export function checkInput<Input extends TObject>({id, input}: Pick<Operation<Input>, 'id' | 'input'>, value: unknown): Static<Input> {
  let validator = validators.get(input)
  if (validator === undefined) {
    validator = Compile(input)
    validators.set(input, validator)
  }
  if (validator.Check(value)) return value as Static<Input>
  const [first] = validator.Errors(value)
  const property = first === undefined || first.instancePath === '' ? 'input' : first.instancePath.slice(1).replaceAll('/', '.')
  throw new HoldfastError(
    'USAGE',
    `cannot do "${id}": its ${property} ${first === undefined || first.keyword === 'boolean' ? 'is not known' : first.message}`,
    {details: {property}},
  )
}

/** @throws {HoldfastError} DENIED unless the caller may change people and workloads. */
export function assertAdministrator({caller}: Call, what: string): void {
  if (caller.kind === 'machine' || caller.user.isAdministrator) return
  throw new HoldfastError('DENIED', `cannot ${what}: only an administrator may`, {
    hints: ['holdfast user list --json | grep isAdministrator'],
  })
}

/** @throws {HoldfastError} DENIED unless the caller has the privilege. */
export async function assertPrivilege(call: Call, privilege: Privilege, what: string): Promise<void> {
  const {caller} = call
  if (await hasPrivilege(call, privilege)) return
  if (caller.kind === 'machine') return
  throw new HoldfastError('DENIED', `cannot ${what}: it takes the privilege ${privilege}`, {
    hints: [`holdfast privilege grant ${privilege} ${caller.user.name}`],
  })
}

/** Whether the caller has the privilege; administrators have all of them. */
export async function hasPrivilege(call: Pick<Call, 'caller' | 'store'>, privilege: Privilege): Promise<boolean> {
  const {caller} = call
  return caller.kind === 'machine' || caller.user.isAdministrator || (await privilegesOf(call, caller.user)).includes(privilege)
}

/** The privileges that count: under the public policy every user has all three. */
async function privilegesOf({store}: Pick<Call, 'store'>, user: User): Promise<readonly Privilege[]> {
  const {readSettings} = await import('./settings-document.ts')
  return (await readSettings(store)).policy === 'public' ? ['Manager', 'Pusher', 'Puller'] : user.privileges
}

/** @throws {HoldfastError} OBJECT_NOT_FOUND when it is undefined. */
export function found<T>(object: T | undefined, kind: string, name: string): T {
  if (object !== undefined) return object
  const hint = kind === 'registry' ? 'holdfast registry managed' : kind === 'repository' ? 'holdfast search ""' : `holdfast ${kind} list`
  throw new HoldfastError('OBJECT_NOT_FOUND', `cannot find ${kind} "${name}": the collector has none`, {hints: [hint]})
}

/** The ids of groups that must be there and be organisational: a privilege owns nothing. */
export async function groupIds({store}: Call, names: readonly string[] | undefined): Promise<readonly number[] | undefined> {
  if (names === undefined) return undefined
  const ids: number[] = []
  // One after the other: a transaction has one connection.
  for (const name of names) {
    const group = found(await store.findGroup(name), 'group', name)
    if (group.kind !== 'organisational')
      throw new HoldfastError('USAGE', `cannot use group "${name}" here: it is a privilege`, {hints: ['holdfast group list']})
    ids.push(group.id)
  }
  return ids
}
