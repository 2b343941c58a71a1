/** Failures of a database that are not about what was asked: it is away, full, or may not be written. Another replica, or a later attempt, may succeed. */
import {hasErrno} from '../../core/errno.ts'
import {HoldfastError} from '../../core/errors.ts'

const ERRNOS = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'] as const
/** What pg throws of its own accord, without a code. */
const MESSAGES =
  /connection terminated|timeout exceeded when trying to connect|connection error and is not queryable|pool after calling end/i
/**
 * SQLSTATE (PostgreSQL, appendix A): connection exceptions, insufficient resources, operator intervention, system errors; a server that is a standby since a failover
 * takes no writes.
 */
const STATES = /^(?:08|53|57|58)[0-9A-Z]{3}$|^25006$/

/** The error of an outage; undefined for any other failure. @param database its name, for messages. */
function outageOf(error: unknown, database: string): HoldfastError | undefined {
  if (!(error instanceof Error) || error instanceof HoldfastError) return undefined
  // Several addresses of one name fail together.
  const causes: readonly unknown[] = error instanceof AggregateError ? error.errors : [error]
  if (!causes.some(isOutage)) return undefined
  const [first] = causes
  const reason = error.message || (first instanceof Error ? first.message : 'it does not respond')
  return new HoldfastError('STORAGE', `cannot use database "${database}": ${reason}`, {cause: error})
}

function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const state = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return hasErrno(error, ...ERRNOS) || STATES.test(state) || MESSAGES.test(error.message)
}

/** The same store, whose calls fail with STORAGE when the database is away. */
export function namingOutages<Store extends object>(store: Store, database: string): Store {
  return new Proxy(store, {
    get(target, name): unknown {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return async (...args: readonly unknown[]): Promise<unknown> => {
        try {
          return await Reflect.apply(method, target, args)
        } catch (error) {
          throw outageOf(error, database) ?? error
        }
      }
    },
  })
}
