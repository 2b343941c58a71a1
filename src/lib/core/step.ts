/**
 * Told of each step of longer work before it begins: what is done now, and what stays when the work stops before the next step. `left` completes
 * "stopped by a signal: …".
 */
export type StepListener = (step: string, left: string) => void
