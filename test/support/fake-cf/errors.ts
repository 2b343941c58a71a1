/** Errors of the Cloud Controller, API v3: title, code and detail as the reference has them. */

export class ControllerFailure extends Error {
  readonly status: number
  readonly errors: readonly {readonly detail: string; readonly title: string; readonly code: number}[]
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: number, title: string, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail)
    this.status = status
    this.errors = [{detail, title, code}]
    this.headers = headers
  }
}

export const notAuthenticated = () => new ControllerFailure(401, 10002, 'CF-NotAuthenticated', 'Authentication error')
export const invalidToken = () => new ControllerFailure(401, 1000, 'CF-InvalidAuthToken', 'Invalid Auth Token')
export const notAuthorized = () =>
  new ControllerFailure(403, 10003, 'CF-NotAuthorized', 'You are not authorized to perform the requested action')
export const featureDisabled = (feature: string) => new ControllerFailure(403, 330002, 'CF-FeatureDisabled', `Feature Disabled: ${feature}`)
export const notFound = (what: string) => new ControllerFailure(404, 10010, 'CF-ResourceNotFound', `${what} not found`)
export const unprocessable = (detail: string) => new ControllerFailure(422, 10008, 'CF-UnprocessableEntity', detail)
export const badQuery = (detail: string) => new ControllerFailure(400, 10005, 'CF-BadQueryParameter', detail)
export const badBody = () =>
  new ControllerFailure(400, 1001, 'CF-MessageParseError', 'Request invalid due to parse error: invalid request body')
