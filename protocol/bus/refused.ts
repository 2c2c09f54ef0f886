import { LetheError } from '../errors.ts'

/** The server of the bus knows this user, or does not, and says no: unlike an outage, that is the same when asked again. */
export class BusRefused extends LetheError {
  constructor(details: { message: string; received?: string; hint?: string; cause?: unknown }) {
    super('BUS_UNAVAILABLE', details)
  }
}
