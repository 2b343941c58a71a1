/** `label_selector` of lists (API v3, filters): requirements parted by commas, all of which hold. */
import {badQuery} from './errors.ts'

export function isSelected(query: URLSearchParams, labels: ReadonlyMap<string, string>): boolean {
  const selector = query.get('label_selector')
  return selector === null || selector.split(/,(?![^(]*\))/).every((requirement) => holds(requirement.trim(), labels))
}

function holds(requirement: string, labels: ReadonlyMap<string, string>): boolean {
  const [, absent = '', key = '', operator = '', value = ''] = /^(!?)([\w./-]+)(?:(==|=|!=)([\w.-]*))?$/.exec(requirement) ?? []
  if (key === '' || (absent !== '' && operator !== '')) throw badQuery(`The query parameter is invalid: Invalid label_selector value`)
  if (absent !== '') return !labels.has(key)
  if (operator === '') return labels.has(key)
  return (labels.get(key) === value) === (operator !== '!=')
}
