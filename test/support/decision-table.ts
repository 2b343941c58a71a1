/** The decision table of the access policy, written down row by row as the seed's rules have it: what the policy, and whoever uses it, is held against. */
import type {OwnerRelation, Principal, Privilege, ResolvedPath, Rule} from '../../src/lib/access/decide.ts'

export interface Facts {
  readonly restricted: boolean
  readonly pub: boolean
  readonly resp: boolean
  readonly pusher: boolean
  readonly puller: boolean
  readonly mgr: boolean
  readonly lenient: boolean
  readonly admin: boolean
}

export interface Row {
  readonly rule: Rule
  readonly subject: 'user' | 'service' | 'disabled'
  readonly path: ResolvedPath
  readonly pull: (facts: Facts) => boolean
  readonly push: (facts: Facts) => boolean
  readonly delete: (facts: Facts) => boolean
}

/** Whether the registry is seen. */
const V = ({pub, resp, lenient}: Facts): boolean => pub || (lenient && resp)
const G = (facts: Facts): boolean => (facts.restricted ? facts.resp : V(facts))
const never = (): boolean => false
const owned = (type: 'users' | 'groups' | 'apps', relation: OwnerRelation): ResolvedPath => ({kind: 'owned', class: type, relation})
const other: ResolvedPath = {kind: 'other'}
const ownPull = (facts: Facts): boolean => facts.puller && V(facts)
const ownPush = (facts: Facts): boolean => facts.pusher && G(facts)
/** Managers who are responsible for the registry, and administrators, in every namespace. */
const deletesAny = ({resp, mgr, admin}: Facts): boolean => (resp && mgr) || admin
const always = (): boolean => true

export const TABLE: readonly Row[] = [
  {rule: 'U1', subject: 'user', path: owned('users', 'own'), pull: ownPull, push: ownPush, delete: always},
  {rule: 'U2', subject: 'user', path: owned('users', 'foreign'), pull: never, push: never, delete: deletesAny},
  {rule: 'U3', subject: 'user', path: owned('groups', 'own'), pull: ownPull, push: ownPush, delete: always},
  {rule: 'U4', subject: 'user', path: owned('groups', 'foreign'), pull: never, push: never, delete: deletesAny},
  {rule: 'U5', subject: 'user', path: owned('apps', 'published'), pull: ownPull, push: never, delete: deletesAny},
  {
    rule: 'U6',
    subject: 'user',
    path: owned('apps', 'responsible'),
    pull: (facts) => facts.lenient && ownPull(facts),
    push: ownPush,
    delete: always,
  },
  {rule: 'U7', subject: 'user', path: owned('apps', 'published-and-responsible'), pull: ownPull, push: ownPush, delete: always},
  {rule: 'U8', subject: 'user', path: owned('apps', 'foreign'), pull: never, push: never, delete: deletesAny},
  {rule: 'U9', subject: 'user', path: other, pull: ownPull, push: ({pusher, resp, mgr}) => pusher && resp && mgr, delete: deletesAny},
  {rule: 'S1', subject: 'service', path: owned('users', 'own'), pull: never, push: never, delete: never},
  {rule: 'S1', subject: 'service', path: owned('users', 'foreign'), pull: never, push: never, delete: never},
  {rule: 'S1', subject: 'service', path: owned('groups', 'own'), pull: never, push: never, delete: never},
  {rule: 'S1', subject: 'service', path: owned('groups', 'foreign'), pull: never, push: never, delete: never},
  {rule: 'S2', subject: 'service', path: owned('apps', 'own'), pull: ({pub}) => pub, push: never, delete: never},
  {rule: 'S3', subject: 'service', path: owned('apps', 'foreign'), pull: never, push: never, delete: never},
  {rule: 'S3', subject: 'service', path: owned('apps', 'published'), pull: never, push: never, delete: never},
  {rule: 'S4', subject: 'service', path: other, pull: ({pub}) => pub, push: never, delete: never},
  ...(['users', 'groups', 'apps'] as const).map(
    (type): Row => ({rule: 'N1', subject: 'disabled', path: owned(type, 'own'), pull: never, push: never, delete: never}),
  ),
  {rule: 'N1', subject: 'disabled', path: other, pull: never, push: never, delete: never},
]

const BITS = [false, true]

export function* allFacts(): Generator<Facts> {
  for (const restricted of BITS)
    for (const pub of BITS)
      for (const resp of BITS)
        for (const pusher of BITS)
          for (const puller of BITS)
            for (const mgr of BITS)
              for (const lenient of BITS) for (const admin of BITS) yield {restricted, pub, resp, pusher, puller, mgr, lenient, admin}
}

export function principalOf(subject: Row['subject'], {pusher, puller, mgr, admin}: Facts): Principal {
  if (subject !== 'user') return {kind: subject}
  const privileges: readonly Privilege[] = [
    ...(pusher ? (['Pusher'] as const) : []),
    ...(puller ? (['Puller'] as const) : []),
    ...(mgr ? (['Manager'] as const) : []),
  ]
  return {kind: 'user', privileges: new Set(privileges), isAdministrator: admin}
}
