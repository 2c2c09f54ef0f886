import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { namesIn } from '../storage/files.ts'

/* The sheets of samples that runs have left as PNG files, to be embedded in the page of the experiment. */

/** A sheet as it is shown; `url` holds the picture itself. */
export interface Sheet {
  what: string
  url: string
  width: number
  height: number
}

const maxPictureBytes = 2 << 20
const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

/** What a run has drawn at one end: samples, by class where there is such a sheet, and reconstructions of what is forgotten. */
export async function sheetsOf(folder: string, phase: 'before' | 'after', what: string): Promise<Sheet[]> {
  const files = await namesIn(join(folder, 'images'))
  const sheetOf = async (kind: string, name: string) => {
    const sheet = await readSheet(join(folder, 'images', `${kind}-${phase}.png`))
    return sheet ? [{ what: name, ...sheet }] : []
  }
  const samples = await sheetOf(files.includes(`classes-${phase}.png`) ? 'classes' : 'samples', what)
  return [...samples, ...(await sheetOf('reconstructions', `${what}: the forgotten, reconstructed`))]
}

/** Null for a file that is missing, too large or no PNG: a page without that picture is better than none. */
async function readSheet(path: string): Promise<Omit<Sheet, 'what'> | null> {
  try {
    const found = await stat(path)
    if (!found.isFile() || found.size > maxPictureBytes) return null
    const bytes = await readFile(path)
    if (bytes.byteLength < 24 || !bytes.subarray(0, 8).equals(signature)) return null
    return { url: `data:image/png;base64,${bytes.toString('base64')}`, width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
  } catch {
    return null
  }
}
