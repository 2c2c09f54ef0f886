import { errorTable, LetheError } from '../errors.ts'
import { issueError } from '../issues.ts'
import { deepest, readYaml } from '../yaml.ts'
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
  const { document, plain: value, place } = readYaml(text, 'experiment', file)
  const locate = (path: readonly PropertyKey[]) => {
    const { offset } = deepest(document.contents, path.map(String))
    return offset === undefined ? undefined : place(offset)
  }
  const parsed = experimentSchema.safeParse(value)
  if (!parsed.success) throw withPage(issueError(parsed.error.issues, { schema: experimentSchema, value, locate }))
  return { experiment: parsed.data, locate }
}

/** The table of errors sends people to the keys of a job. */
function withPage(error: LetheError): LetheError {
  const { code, message, expected, received, hint } = error
  return new LetheError(code, { message, expected, received, hint: hint === errorTable[code].hint ? pageHint : hint })
}
