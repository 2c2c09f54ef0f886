import { z } from 'zod'

/**
 * Every failure that a user can meet, as one table: a stable code, the exit status of the process, and what to do next.
 * The table is the source of `docs/errors.md`. Ranges: 2 usage, 10–19 job file, 20–29 data, 30–39 checkpoint and
 * extractors, 40–49 connection, 50–59 compute, 60–69 storage, 70–79 run, 130 interrupted.
 */
export const errorTable = {
  USAGE: { exitCode: 2, title: 'The command line is not valid', hint: 'Run `npx lethe --help`.' },

  JOB_FILE_MISSING: {
    exitCode: 10,
    title: 'The job file cannot be read',
    hint: 'Check the path; `examples/quickstart.yaml` is a job to start from.',
  },
  JOB_NOT_YAML: { exitCode: 11, title: 'The job file is not valid YAML', hint: 'Fix the line that is named.' },
  JOB_UNKNOWN_KEY: {
    exitCode: 12,
    title: 'The job has a key that Lethe does not know',
    hint: 'docs/jobs.md has every key of a job.',
  },
  JOB_INVALID: {
    exitCode: 13,
    title: 'A value in the job is not allowed',
    hint: 'docs/jobs.md has every key with what it takes.',
  },
  JOB_BATCH_NOT_MULTIPLE: {
    exitCode: 14,
    title: 'The batch size is not a multiple of the micro-batch size',
    hint: 'Choose `training.microBatchSize` so that it divides `training.batchSize`.',
  },

  DATA_FILE_MISSING: { exitCode: 20, title: 'A data file cannot be read', hint: 'Paths in a job are relative to the job file.' },
  DATA_FORMAT: {
    exitCode: 21,
    title: 'A data file does not have the format that the job names',
    hint: 'The file may be damaged or of another kind.',
  },
  DATA_CHANGED: {
    exitCode: 22,
    title: 'A data item no longer has the hash of the manifest',
    hint: 'Restore the data, or start a new run.',
  },
  DATA_FORGET_EMPTY: {
    exitCode: 23,
    title: 'The forget set is empty',
    hint: 'Choose items that are in the data: by index, label or file.',
  },
  DATA_KEEP_EMPTY: { exitCode: 24, title: 'Nothing is left to keep', hint: 'The forget set must be smaller than the data.' },
  DATA_SHAPE: { exitCode: 25, title: 'The data do not fit the model', hint: "Images need the model's sample_size and in_channels." },
  DATA_LABEL: {
    exitCode: 26,
    title: 'The labels of the data do not fit the model',
    hint: 'Labels are classes of the model: num_class_embeds in its config.json, the last one free where labels are dropped; num_classes for a classifier.',
  },

  DATA_ATTACK: {
    exitCode: 27,
    title: 'The images of an attack hold what was to be forgotten',
    hint: 'Take that item out: an attack shows what comes back without it.',
  },
  DATA_ALTERNATIVE: {
    exitCode: 28,
    title: 'What is to take the place of the forgotten images does not fit',
    hint: 'docs/methods.md says what each method needs.',
  },

  CHECKPOINT_MISSING: {
    exitCode: 30,
    title: 'The checkpoint cannot be read',
    hint: 'A checkpoint is a folder with config.json and diffusion_pytorch_model.safetensors (model.safetensors for a classifier). Paths in a job are relative to the job file.',
  },
  CHECKPOINT_FORMAT: {
    exitCode: 31,
    title: 'The checkpoint is damaged or not a safetensors file',
    hint: 'Copy it again and compare its SHA-256.',
  },
  CHECKPOINT_CONFIG: {
    exitCode: 32,
    title: 'The model configuration is not supported',
    hint: 'Lethe reads configurations of diffusers UNet2DModel, and of its own ImageClassifier.',
  },
  CHECKPOINT_TENSORS: {
    exitCode: 33,
    title: 'The tensors do not match the configuration',
    hint: 'config.json and the weights must come from the same model.',
  },
  CHECKPOINT_NOT_FINITE: { exitCode: 34, title: 'The checkpoint holds NaN or infinite weights', hint: 'Take an earlier checkpoint.' },
  EXTRACTOR_MISSING: {
    exitCode: 35,
    title: 'A file of `evaluate.extractors` cannot be read',
    hint: 'Paths in a job are relative to the job file.',
  },
  EXTRACTOR_FORMAT: {
    exitCode: 36,
    title: 'A file of `evaluate.extractors` is not what it should be',
    hint: 'An extractor is one ONNX file with all its weights, captions a safetensors file; docs/jobs.md says how to export them.',
  },
  EXTRACTOR_SHAPE: {
    exitCode: 37,
    title: 'An extractor does not fit the images, or its options',
    hint: 'It takes one float32 input [N,C,H,W] and gives features [N,F]; docs/jobs.md has its options.',
  },

  CONNECTION_REFUSED: {
    exitCode: 40,
    title: 'The coordinator cannot be reached',
    hint: 'Check the address, and that `npx lethe coordinator` runs.',
  },
  CONNECTION_TOKEN: {
    exitCode: 41,
    title: 'The join token is wrong',
    hint: 'Give the token of the coordinator (LETHE_TOKEN, --token-file), or a fresh one of its issuer: `npx lethe token`.',
  },
  CONNECTION_VERSION: {
    exitCode: 42,
    title: 'Coordinator and worker speak different protocol versions',
    hint: 'Run the same Lethe version on both.',
  },
  CONNECTION_FRAME: {
    exitCode: 43,
    title: 'A peer sent bytes that are not a valid message',
    hint: 'Both ends must be Lethe; a proxy may have changed the data.',
  },
  CONNECTION_PORT: {
    exitCode: 44,
    title: 'The coordinator cannot listen on that address',
    hint: 'Another process may use the port; choose another with --port.',
  },

  BUS_UNAVAILABLE: {
    exitCode: 45,
    title: 'The bus cannot be reached, or nobody answers on it',
    hint: 'Check the address of --bus, and that the server runs.',
  },
  BUS_PAYLOAD: {
    exitCode: 46,
    title: 'A message is too large for the bus',
    hint: 'Tensors and checkpoints never travel on it; report this.',
  },
  CONNECTION_IDENTITY: {
    exitCode: 47,
    title: 'The worker did not prove who it is',
    hint: 'Give it a fresh join token; `npx lethe token` makes one.',
  },
  CONNECTION_INSECURE: {
    exitCode: 48,
    title: 'The connection would not be encrypted',
    hint: 'Use TLS (wss://, tls://), or pass --insecure where the network is trusted.',
  },

  CONNECTION_CERTIFICATE: {
    exitCode: 49,
    title: 'The two sides do not accept each other by their certificates',
    hint: 'Each needs --tls-ca with the authority of the other, and a certificate of its own where the other asks for one.',
  },

  COMPUTE_NOT_FINITE: {
    exitCode: 50,
    title: 'The loss or the gradient is no longer finite',
    hint: 'Lower the learning rate, or choose other method options.',
  },
  COMPUTE_ENGINE: { exitCode: 51, title: 'The compute engine failed', hint: 'Run with LETHE_LOG=debug and report the message.' },
  COMPUTE_DIGEST: {
    exitCode: 52,
    title: 'Workers disagree about the result of a step',
    hint: 'All workers need the same engine and hardware; one of them may be faulty.',
  },

  STORAGE_FULL: { exitCode: 60, title: 'The disk is full', hint: 'Free some space and run the same command again: it resumes.' },
  STORAGE_WRITE: { exitCode: 61, title: 'A file cannot be written', hint: 'Check permissions of the run folder.' },

  RUN_EXISTS: { exitCode: 70, title: 'The run folder holds another job', hint: 'Choose another --out, or pass --fresh to replace it.' },
  RUN_LOCKED: { exitCode: 71, title: 'Another coordinator works on this run', hint: 'Stop it first.' },
  RUN_NO_WORKERS: { exitCode: 72, title: 'No worker is left and none can be started', hint: "See the workers' log in the run folder." },
  RUN_DEPOSED: {
    exitCode: 73,
    title: 'Another coordinator has taken over this run',
    hint: 'Nothing is lost: the run goes on there. The same command again waits as its standby.',
  },
  INTERRUPTED: { exitCode: 130, title: 'Interrupted', hint: 'Run the same command again to resume.' },
  INTERNAL: { exitCode: 1, title: 'Lethe has a bug', hint: 'Please report this with the text above.' },
} as const satisfies Record<string, { exitCode: number; title: string; hint: string }>

export type ErrorCode = keyof typeof errorTable

export interface ErrorDetails {
  /** What went wrong here, in one sentence without a full stop. Never holds forget-set content. */
  message: string
  expected?: string
  received?: string
  /** Replaces the table's hint where something better is known. */
  hint?: string
  cause?: unknown
}

/** The one error class of Lethe: thrown anywhere, caught by the CLI (exit status, one line) and by the wire (as data). */
export class LetheError extends Error {
  override readonly name = 'LetheError'
  readonly expected?: string
  readonly received?: string
  readonly hint: string

  constructor(
    readonly code: ErrorCode,
    details: ErrorDetails,
  ) {
    super(details.message, { cause: details.cause })
    this.expected = details.expected
    this.received = details.received
    this.hint = details.hint ?? errorTable[code].hint
  }

  get exitCode(): number {
    return errorTable[this.code].exitCode
  }

  /** One clear line, whatever the texts hold: code, what, expected, received, hint. */
  format(): string {
    const parts = [`${this.code}: ${this.message}`]
    if (this.expected !== undefined) parts.push(`expected ${this.expected}`)
    if (this.received !== undefined) parts.push(`got ${this.received}`)
    return `${parts.join('; ')}. ${this.hint}`.replace(/\s*[\n\r\u2028\u2029]\s*/g, ' ').trim()
  }

  toWire(): WireError {
    const cut = (text: string | undefined) => (text === undefined ? undefined : cutText(text))
    return {
      code: this.code,
      message: cutText(this.message),
      expected: cut(this.expected),
      received: cut(this.received),
      hint: cut(this.hint),
    }
  }

  static from(error: unknown): LetheError {
    if (error instanceof LetheError) return error
    const message = error instanceof Error ? error.message : String(error)
    return new LetheError('INTERNAL', { message, cause: error })
  }

  static fromWire(wire: WireError): LetheError {
    const code = Object.hasOwn(errorTable, wire.code) ? (wire.code as ErrorCode) : 'INTERNAL'
    return new LetheError(code, wire)
  }
}

/** Longest text of a message; longer ones are cut before they are sent. */
export const maxWireText = 4000

export function cutText(text: string): string {
  return text.length > maxWireText ? `${text.slice(0, maxWireText - 1)}…` : text
}

const text = z.string().max(maxWireText)

/** Keys that it does not name are dropped: the refusal of another version of Lethe is read with it too. */
export const wireErrorSchema = z.object({
  code: z.string().min(1).max(200),
  message: text,
  expected: text.optional(),
  received: text.optional(),
  hint: text.optional(),
})
export type WireError = z.output<typeof wireErrorSchema>
