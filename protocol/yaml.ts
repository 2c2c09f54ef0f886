import { basename } from 'node:path'
import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { LetheError } from './errors.ts'

/* Files that people write: read within a limit, with the line of everything that may be wrong in them. */

export const maxYamlBytes = 1 << 20

/** Aliases that are resolved, those inside of others again: a few lines can stand for more than fits into memory. */
export const maxAliasCount = 100

export interface YamlText {
  document: Document.Parsed
  /** What it says, unchecked. */
  plain: unknown
  /** `job.yaml:12` */
  place(offset: number): string
}

/** @throws LetheError JOB_INVALID where it is too large, JOB_NOT_YAML, naming the line. */
export function readYaml(text: string, what: string, file?: string): YamlText {
  const bytes = Buffer.byteLength(text)
  if (bytes > maxYamlBytes)
    throw new LetheError('JOB_INVALID', {
      message: `the ${what} file is too large`,
      expected: `at most ${maxYamlBytes} bytes`,
      received: `${bytes} bytes`,
    })
  const lines = new LineCounter()
  const place = (offset: number) => `${file ? basename(file) : 'line'}${file ? ':' : ' '}${lines.linePos(offset).line}`
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  return { document, place, plain: plainValue(document, place) }
}

function plainValue(document: Document.Parsed, place: (offset: number) => string): unknown {
  const fault = document.errors[0] ?? document.warnings[0]
  if (fault) throw new LetheError('JOB_NOT_YAML', { message: `${place(fault.pos[0])}: ${fault.message}` })
  try {
    return document.toJS({ maxAliasCount })
  } catch (error) {
    throw new LetheError('JOB_NOT_YAML', { message: error instanceof Error ? error.message : String(error), cause: error })
  }
}

/** How much of a path the file has, and where the last of it begins: a key, or an entry of a list. */
export function deepest(contents: Node | null, keys: readonly string[]): { depth: number; offset: number | undefined } {
  let node: unknown = contents
  let offset = contents?.range?.[0]
  for (const [depth, key] of keys.entries()) {
    const pair = isMap<Node, Node>(node) ? node.items.find((one) => isScalar(one.key) && String(one.key.value) === key) : undefined
    const entry = isSeq<Node>(node) ? node.items[Number(key)] : undefined
    const start = pair?.key ?? entry
    if (!start?.range) return { depth, offset }
    offset = start.range[0]
    node = pair ? pair.value : entry
  }
  return { depth: keys.length, offset }
}
