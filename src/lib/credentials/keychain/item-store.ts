/** What a keychain does for one program: named items of a few kilobytes. */

export interface ItemStore {
  readItem(name: string): Promise<Buffer | undefined>
  writeItem(name: string, value: Buffer): Promise<void>
  /** Answers whether there was one. */
  deleteItem(name: string): Promise<boolean>
}

export type ItemRequest =
  | {readonly id: number; readonly operation: 'read' | 'delete'; readonly name: string}
  /** `value` in base64. */
  | {readonly id: number; readonly operation: 'write'; readonly name: string; readonly value: string}

export type ItemFailure = 'unavailable' | 'locked' | 'timeout'

/** `value` in base64 for a `read`, or whether there was an item for a `delete`. */
export type ItemReply =
  | {readonly id: number; readonly value?: string; readonly existed?: boolean}
  | {readonly id: number; readonly failure: ItemFailure; readonly reason: string}

/** A keychain that does not do what it was asked; `reason` is its own word for it and never has an item's name or value. */
export class ItemError extends Error {
  override readonly name = 'ItemError'
  readonly failure: ItemFailure

  constructor(failure: ItemFailure, reason: string) {
    super(reason)
    this.failure = failure
  }
}
