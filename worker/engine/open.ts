import type { Engine } from './engine.ts'

/** Loads only the engine that is asked for. `threads` are those of one worker's arithmetic. */
export async function openEngine(options: { name: 'onnx' | 'tfjs'; threads: number }): Promise<Engine> {
  if (options.name === 'tfjs') return (await import('./tfjs/engine.ts')).openTfjsEngine()
  return (await import('./onnx/engine.ts')).openOnnxEngine(options.threads)
}
