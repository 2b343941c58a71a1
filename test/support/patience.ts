/** How long tests wait for what comes about by itself. It bounds a hang and nothing else: a busy machine takes as long as it takes. */
export const PATIENCE_MS = 300_000
