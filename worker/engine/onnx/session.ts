import type ort from 'onnxruntime-node'

/** How every graph runs: on the CPU, node after node. `threads` changes the speed, not the bits. */
export function sessionOptions(threads: number): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // Denormals cost hundreds of cycles each on x86 and appear as soon as Adam's moments decay; zero is their only safe cheap value.
    extra: { session: { set_denormal_as_zero: '1' } },
    ...(process.env.LETHE_PROFILE ? { enableProfiling: true, profileFilePrefix: process.env.LETHE_PROFILE } : {}),
  }
}
