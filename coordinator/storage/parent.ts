import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileBytes } from '../../protocol/digest.ts'
import { LetheError } from '../../protocol/errors.ts'
import type { Job } from '../../protocol/job.ts'

const maxFileBytes = 2 ** 31 - 1

async function readModelFile(path: string, name: string): Promise<FileBytes> {
  try {
    const found = await stat(path)
    // A pipe or a device may never end.
    if (!found.isFile()) throw new LetheError('CHECKPOINT_FORMAT', { message: `${path} is not a file` })
    const { size } = found
    if (size > maxFileBytes)
      throw new LetheError('CHECKPOINT_FORMAT', {
        message: `${path} is too large`,
        expected: `at most ${maxFileBytes} bytes`,
        received: `${size}`,
      })
    return { path: name, bytes: new Uint8Array(await readFile(path)) }
  } catch (cause) {
    if (cause instanceof LetheError) throw cause
    throw new LetheError('CHECKPOINT_MISSING', { message: `cannot read ${path}`, received: (cause as NodeJS.ErrnoException).code, cause })
  }
}

/** What a run starts from: the files of its checkpoint, or the configuration alone where the weights are drawn from the seed. */
export async function readParent(job: Job): Promise<FileBytes[]> {
  if (job.kind === 'train') return [await readModelFile(job.model.config, 'config.json')]
  const names = ['config.json', 'diffusion_pytorch_model.safetensors']
  return Promise.all(names.map((name) => readModelFile(join(job.model.checkpoint, name), name)))
}
