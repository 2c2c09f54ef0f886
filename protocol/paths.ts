import type { Job } from './job.ts'
import type { SourceOptions } from './sources.ts'

/** What a path leads to: `model` and `classifier` are folders of checkpoints, `config` is that of a network alone. */
export type PathKind = 'config' | 'model' | 'classifier' | 'extractor' | 'data'

/** Every path of a job, in one place: a new key that names a file is resolved only if it stands here. */
export function mapPaths(job: Job, change: (path: string, kind: PathKind) => string): Job {
  const data = (path: string) => change(path, 'data')
  const model = (path: string) => change(path, 'model')
  const extractor = (path: string) => change(path, 'extractor')
  const source = (one: SourceOptions): SourceOptions => {
    if (one.type === 'idx') return { ...one, images: data(one.images), labels: data(one.labels) }
    return one.type === 'image' ? { ...one, path: data(one.path) } : one
  }
  const { forget, alternative } = job.data
  const { accuracy, classifier, extractors } = job.evaluate
  const changed = {
    ...job,
    model: 'config' in job.model ? { config: change(job.model.config, 'config') } : { checkpoint: model(job.model.checkpoint) },
    data: {
      ...job.data,
      sources: job.data.sources.map(source),
      ...(forget?.file && { forget: { ...forget, file: data(forget.file) } }),
      ...(alternative?.sources && { alternative: { ...alternative, sources: alternative.sources.map(source) } }),
    },
    evaluate: {
      ...job.evaluate,
      ...(accuracy && { accuracy: { ...accuracy, sources: accuracy.sources.map(source) } }),
      ...(classifier !== undefined && { classifier: change(classifier, 'classifier') }),
      ...(extractors && {
        extractors: extractors.map((one) => ({
          ...one,
          file: extractor(one.file),
          ...(one.captions !== undefined && { captions: extractor(one.captions) }),
        })),
      }),
    },
  } as Job
  if (changed.kind !== 'attack') return changed
  const { sources, controls } = changed.attack
  const arms = controls && { controls: { original: model(controls.original), retrained: model(controls.retrained) } }
  return { ...changed, attack: { ...changed.attack, ...(sources && { sources: sources.map(source) }), ...arms } }
}
