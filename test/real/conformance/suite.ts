/**
 * The OCI distribution conformance tests, in our own words: what distribution-spec 1.1 requires of pull, push, content discovery and content management.
 * A registry that is known to fail some of them is held to exactly that: a known failure that passes is reported, so the list stays true, and shows that the
 * tests can fail.
 */
import assert from 'node:assert/strict'
import {RegistryApi} from './api.ts'
import {blobCases} from './blob-cases.ts'
import {dataSetCases} from './data-set-cases.ts'
import {discoveryCases} from './discovery-cases.ts'
import {manifestCases} from './manifest-cases.ts'

/** One requirement, tested on its own. */
export interface ConformanceCase {
  readonly name: string
  readonly run: (api: RegistryApi) => Promise<void>
}

export interface ConformanceOptions {
  /** Answers with `http://host:port` once the registry is up. */
  readonly base: () => string
  /** Full names (`group: case`) of the cases that this registry fails. */
  readonly knownFailures?: readonly string[]
}

/** Declares the suite for one registry. */
export function describeConformance({base, knownFailures = []}: ConformanceOptions): void {
  const unused = new Set(knownFailures)
  for (const [group, cases] of Object.entries({...blobCases(), ...manifestCases(), ...discoveryCases(), ...dataSetCases()})) {
    describe(group, () => {
      for (const {name, run} of cases) {
        const isKnownFailure = unused.delete(`${group}: ${name}`)
        it(isKnownFailure ? `${name} (known to fail)` : name, async () => {
          const done = run(new RegistryApi(base()))
          if (isKnownFailure) await assert.rejects(done, Error, 'a case that is listed as a known failure passes')
          else await done
        })
      }
    })
  }
  it('has every known failure among its cases', () => {
    assert.deepEqual([...unused], [])
  })
}
