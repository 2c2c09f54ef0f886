import { LetheError } from '../../protocol/errors.ts'
import type { Picture } from '../../protocol/picture.ts'
import { decodePng } from '../../protocol/picture.ts'
import { readDataFile } from './file.ts'
import type { Source } from './source.ts'

/** Throws DATA_FILE_MISSING, and DATA_FORMAT unless the file is an 8-bit grey PNG. */
export async function readGreyPicture(path: string): Promise<Picture> {
  const file = await readDataFile(path)
  let picture: Picture
  try {
    picture = decodePng(file)
  } catch (cause) {
    const { message, expected, received } = LetheError.from(cause)
    throw new LetheError('DATA_FORMAT', { message: `${path}: ${message}`, expected, received, cause })
  }
  if (picture.channels !== 1)
    throw new LetheError('DATA_FORMAT', { message: `${path} is not grey`, expected: '8-bit grey', received: '8-bit RGB' })
  return picture
}

/** One picture as `copies` equal items; its pixels are kept once. */
export async function openImage(source: { path: string; copies: number; label: number }): Promise<Source> {
  const { copies, label } = source
  if (label > 65535)
    throw new LetheError('DATA_FORMAT', { message: 'a label is too large', expected: 'at most 65535', received: `${label}` })
  const picture = await readGreyPicture(source.path)
  return { ...picture, items: copies, repeats: true, labels: new Uint16Array(copies).fill(label) }
}
