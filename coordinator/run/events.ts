/** What a run tells whoever started it. */
export type CoordinatorEvent =
  | { type: 'listening'; url: string }
  /** Another coordinator leads the run; this one takes over when it dies. */
  | { type: 'standby' }
  | { type: 'leading'; epoch: number }
  | { type: 'workerJoined' | 'workerLeft'; worker: string; reason: string; workers: number }
  | { type: 'phase'; phase: 'prepare' | 'measure' | 'train' | 'report'; total: number }
  /** A step was given out to the workers; the same step again where the work of an earlier plan was lost. */
  | { type: 'planned'; step: number; epoch: number }
  /** Steps while training, samples while measuring. */
  | { type: 'progress'; phase: 'train'; done: number; total: number; losses?: Record<string, number> }
  | { type: 'progress'; phase: 'measure'; version: number; done: number; total: number }
  | { type: 'notice'; message: string }

/** What the coordinator needs of a logger; pino fits. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
