/** Calls a listener whose error is its own: it surfaces as an uncaught exception, and nobody else's messages are lost. */
export function guarded(listener: () => void): void {
  try {
    listener()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
