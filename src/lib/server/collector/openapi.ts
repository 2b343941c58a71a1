/** The OpenAPI 3.1 document of the REST API, made from the operations that it serves. */
import type {Operation} from '../../collector/api/operation.ts'

const PATH_PARAMETER = /\{(\w+)\}/g

export function describeApi(operations: readonly Operation[], version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const operation of operations) {
    const path = `/api/v1${operation.path}`
    paths[path] = {...paths[path], [operation.method.toLowerCase()]: describe(operation)}
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Holdfast collector',
      version,
      description: 'Users, groups, apps, services and the registries that trust this collector.',
    },
    servers: [{url: '/'}],
    security: [{password: []}, {session: []}],
    paths: {
      ...paths,
      '/api/v1/sessions': {
        post: {
          operationId: 'session.add',
          summary: 'Begins a session of an hour, or of a week: its token is sent as Bearer instead of the password.',
          requestBody: {content: {'application/json': {schema: {type: 'object', properties: {isLong: {type: 'boolean'}}}}}},
          responses: {201: json('the session', SESSION), default: FAILURE},
        },
      },
    },
    components: {
      securitySchemes: {password: {type: 'http', scheme: 'basic'}, session: {type: 'http', scheme: 'bearer'}},
      schemas: {Failure: FAILURE_SCHEMA},
    },
  }
}

const SESSION = {
  type: 'object',
  required: ['token', 'user', 'expiresAt'],
  properties: {token: {type: 'string'}, user: {type: 'string'}, expiresAt: {type: 'string', format: 'date-time'}},
}

const FAILURE_SCHEMA = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'hints'],
      properties: {code: {type: 'string'}, message: {type: 'string'}, hints: {type: 'array', items: {type: 'string'}}},
    },
  },
}

const FAILURE = json('what failed', {$ref: '#/components/schemas/Failure'})

function describe({id, method, path, summary, input, output}: Operation): object {
  const inPath = new Set([...path.matchAll(PATH_PARAMETER)].map(([, name]) => name ?? ''))
  const required: readonly string[] = Array.isArray(input.required) ? input.required : []
  const others = Object.entries(input.properties).filter(([name]) => !inPath.has(name))
  const parameters = [
    ...[...inPath].map((name) => ({name, in: 'path', required: true, schema: input.properties[name]})),
    ...(method === 'GET' ? others.map(([name, schema]) => ({name, in: 'query', required: required.includes(name), schema})) : []),
  ]
  const body = {
    type: 'object',
    properties: Object.fromEntries(others),
    required: required.filter((name) => !inPath.has(name)),
    additionalProperties: false,
  }
  return {
    operationId: id,
    summary,
    ...(parameters.length === 0 ? {} : {parameters}),
    ...(method === 'GET' || others.length === 0 ? {} : {requestBody: {required: true, content: {'application/json': {schema: body}}}}),
    responses: {[method === 'POST' ? 201 : 200]: json('done', output), default: FAILURE},
  }
}

function json(description: string, schema: object): object {
  return {description, content: {'application/json': {schema}}}
}
