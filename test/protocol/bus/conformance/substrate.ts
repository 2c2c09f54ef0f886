import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Bus } from '../../../../protocol/bus/bus.ts'
import { LetheError } from '../../../../protocol/errors.ts'

/** What a test of a bus needs of its surroundings. */
export interface Substrate {
  /** A client of its own. */
  open(): Promise<Bus>
  /** SIGKILL of the server; null where the server is the process itself. */
  kill: (() => Promise<void>) | null
  /** On the same store and address. */
  restart(): Promise<void>
}

/** A client that ends with the test. */
export async function use(t: Test, substrate: Substrate): Promise<Bus> {
  const bus = await substrate.open()
  t.teardown(() => bus.close())
  return bus
}

export const bytes = (text: string) => new TextEncoder().encode(text)
export const text = (data: Uint8Array | null | undefined) => (data ? new TextDecoder().decode(data) : data)

/** Waits for a condition, 10 s at most. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const begin = performance.now(); performance.now() - begin < 10_000; await sleep(10)) if (await condition()) return true
  return false
}

/** The code that a promise rejects with. */
export async function refused(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'nothing'
  } catch (error) {
    return error instanceof LetheError ? error.code : String(error)
  }
}
