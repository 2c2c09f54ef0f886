import type { Job, SourceOptions } from './job.ts'

/** Every path of a job, in one place: a new key that names a file is resolved only if it stands here. */
export function mapPaths(job: Job, change: (path: string) => string): Job {
  const source = (one: SourceOptions): SourceOptions => {
    if (one.type === 'idx') return { ...one, images: change(one.images), labels: change(one.labels) }
    return one.type === 'image' ? { ...one, path: change(one.path) } : one
  }
  const { forget, alternative } = job.data
  const { accuracy, classifier, extractors } = job.evaluate
  const changed = {
    ...job,
    model: 'config' in job.model ? { config: change(job.model.config) } : { checkpoint: change(job.model.checkpoint) },
    data: {
      ...job.data,
      sources: job.data.sources.map(source),
      ...(forget?.file && { forget: { ...forget, file: change(forget.file) } }),
      ...(alternative?.sources && { alternative: { ...alternative, sources: alternative.sources.map(source) } }),
    },
    evaluate: {
      ...job.evaluate,
      ...(accuracy && { accuracy: { ...accuracy, sources: accuracy.sources.map(source) } }),
      ...(classifier !== undefined && { classifier: change(classifier) }),
      ...(extractors && {
        extractors: extractors.map((one) => ({
          ...one,
          file: change(one.file),
          ...(one.captions !== undefined && { captions: change(one.captions) }),
        })),
      }),
    },
  } as Job
  if (changed.kind !== 'attack') return changed
  const { sources, controls } = changed.attack
  const arms = controls && { controls: { original: change(controls.original), retrained: change(controls.retrained) } }
  return { ...changed, attack: { ...changed.attack, ...(sources && { sources: sources.map(source) }), ...arms } }
}
