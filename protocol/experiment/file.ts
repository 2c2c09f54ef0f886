import { basename } from 'node:path'
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { errorTable, LetheError } from '../errors.ts'
import { issueError } from '../issues.ts'
import { maxJobBytes } from '../jobfile.ts'
import { type Experiment, experimentSchema } from './schema.ts'

const pageHint = 'docs/experiments.md has every key of an experiment.'

export interface ExperimentFile {
  experiment: Experiment
  /** `table.yaml:12`: where a value stands, or the nearest thing around it that is in the file. */
  locate(path: readonly PropertyKey[]): string | undefined
}

/**
 * The experiment of a YAML text, checked, defaults filled in.
 * @throws LetheError JOB_NOT_YAML, JOB_UNKNOWN_KEY or JOB_INVALID, naming the line.
 */
export function parseExperiment(text: string, file?: string): ExperimentFile {
  const bytes = Buffer.byteLength(text)
  if (bytes > maxJobBytes)
    throw new LetheError('JOB_INVALID', {
      message: 'the experiment file is too large',
      expected: `at most ${maxJobBytes} bytes`,
      received: `${bytes} bytes`,
    })
  const lines = new LineCounter()
  const place = (offset: number) => `${file ? basename(file) : 'line'}${file ? ':' : ' '}${lines.linePos(offset).line}`
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const fault = document.errors[0] ?? document.warnings[0]
  if (fault) throw new LetheError('JOB_NOT_YAML', { message: `${place(fault.pos[0])}: ${fault.message}` })
  const locate = (path: readonly PropertyKey[]) => {
    const offset = offsetOf(document.contents, path.map(String))
    return offset === undefined ? undefined : place(offset)
  }
  const value = plain(document)
  const parsed = experimentSchema.safeParse(value)
  if (!parsed.success) throw withPage(issueError(parsed.error.issues, { schema: experimentSchema, value, locate }))
  return { experiment: parsed.data, locate }
}

function plain(document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (cause) {
    throw new LetheError('JOB_NOT_YAML', { message: cause instanceof Error ? cause.message : String(cause), cause })
  }
}

/** The table of errors sends people to the keys of a job. */
function withPage(error: LetheError): LetheError {
  const { code, message, expected, received, hint } = error
  return new LetheError(code, { message, expected, received, hint: hint === errorTable[code].hint ? pageHint : hint })
}

/** Where the deepest part of the path begins that the file has. */
function offsetOf(contents: Node | null, path: readonly string[]): number | undefined {
  let node: unknown = contents
  let offset = contents?.range?.[0]
  for (const key of path) {
    const pair = isMap<Node, Node>(node) ? node.items.find((one) => isScalar(one.key) && String(one.key.value) === key) : undefined
    const start = pair?.key ?? (isSeq<Node>(node) ? node.items[Number(key)] : undefined)
    if (!start?.range) return offset
    offset = start.range[0]
    node = pair ? pair.value : start
  }
  return offset
}
