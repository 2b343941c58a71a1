/**
 * The staging result that Cloud Foundry's Docker lifecycle writes, in its two shapes: the one of 2015, and the one since then which the Cloud Controller reads today.
 * Key order, omissions and the joined start command are part of the format.
 */
import {HoldfastError} from '../core/errors.ts'
import type {ImageConfig} from '../oci/image-config.ts'

/** `current`: since September 2015. `2015`: the first proposal's, without `lifecycle_type`. */
export const STAGING_RESULT_FORMATS = ['current', '2015'] as const
export type StagingResultFormat = (typeof STAGING_RESULT_FORMATS)[number]

interface Port {
  readonly Port: number
  readonly Protocol: string
}

/**
 * The result as JSON text, to the byte as the builder writes it, with a line break at its end.
 * @param dockerImage what the platform shall run: a pinned reference for today's, the tag form for 2015's.
 * @throws {HoldfastError} INVALID_MANIFEST when an exposed port of the image is not `number[/tcp|udp]`.
 */
export function formatStagingResult(format: StagingResultFormat, dockerImage: string, config: ImageConfig): string {
  // With an entrypoint and no command it ends in a space, as the builder's does.
  const words = config.command.join(' ')
  const startCommand = config.entrypoint.length === 0 ? words : `${config.entrypoint.join(' ')} ${words}`
  const executionMetadata = formatExecutionMetadata(config, format)
  const result =
    format === '2015'
      ? {execution_metadata: executionMetadata, detected_start_command: {web: startCommand}, docker_image: dockerImage}
      : {
          lifecycle_type: 'docker',
          lifecycle_metadata: {docker_image: dockerImage},
          process_types: {web: startCommand},
          execution_metadata: executionMetadata,
        }
  return `${formatGoJson(result)}\n`
}

/** A JSON string inside the JSON: keys are left out when empty; ports and user came after 2015's first shape. */
function formatExecutionMetadata(config: ImageConfig, format: StagingResultFormat): string {
  const ports = format === '2015' ? [] : config.exposedPorts.map(parsePort).sort(byPortThenProtocol)
  return formatGoJson({
    ...(config.command.length === 0 ? {} : {cmd: config.command}),
    ...(config.entrypoint.length === 0 ? {} : {entrypoint: config.entrypoint}),
    ...(config.workingDirectory === '' ? {} : {workdir: config.workingDirectory}),
    ...(ports.length === 0 ? {} : {ports}),
    ...(config.user === '' || format === '2015' ? {} : {user: config.user}),
  })
}

/** JSON as Go's `encoding/json` writes it: safe within HTML, and of well-formed text. */
function formatGoJson(value: object): string {
  const wellFormed = JSON.stringify(value, (_, part: unknown) => (typeof part === 'string' ? part.toWellFormed() : part))
  return wellFormed.replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function parsePort(text: string): Port {
  const match = /^([0-9]{1,5})(?:\/(tcp|udp|sctp))?$/.exec(text)
  const port = Number(match?.[1])
  if (match === null || port > 65_535)
    throw new HoldfastError('INVALID_MANIFEST', `cannot read exposed port "${text}": it is number[/tcp|udp]`)
  return {Port: port, Protocol: match[2] ?? 'tcp'}
}

function byPortThenProtocol(a: Port, b: Port): number {
  if (a.Port !== b.Port) return a.Port - b.Port
  if (a.Protocol === b.Protocol) return 0
  return a.Protocol === 'tcp' ? -1 : 1
}
