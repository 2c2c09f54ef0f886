import { type LeaderRecord, leaderRecord } from '../../protocol/bus/subjects.ts'
import { LetheError } from '../../protocol/errors.ts'
import { decodeMessage, encodeMessage } from '../../protocol/frame.ts'

/** No record is larger. */
const recordBytes = 4096

export const packRecord = (record: LeaderRecord): Uint8Array => encodeMessage(record)

/** @throws LetheError CONNECTION_FRAME where the bytes are not the record of this run. */
export function unpackRecord(bytes: Uint8Array, runId: string): LeaderRecord {
  if (bytes.length > recordBytes) throw unreadable(`${bytes.length} bytes`)
  const record = decodeMessage(bytes, leaderRecord)
  if (record.runId !== runId) throw unreadable('the record of another run')
  return record
}

const unreadable = (received: string) =>
  new LetheError('CONNECTION_FRAME', { message: 'the record of who leads the run cannot be read', received })
