import { PNG } from 'pngjs'
import { LetheError } from './errors.ts'

/** An 8-bit picture, [height, width, channels] flattened; 1 channel is grey, 3 are red, green, blue. */
export interface Picture {
  height: number
  width: number
  channels: number
  pixels: Uint8Array
}

type Colour = readonly [red: number, green: number, blue: number]

const maxPngBytes = 32 << 20
const maxSide = 4096
const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const greyType = 0
const colourType = 2

export function encodePng({ height, width, channels, pixels }: Picture): Uint8Array {
  const type = channels === 1 ? greyType : colourType
  const png = new PNG({ width, height, colorType: type, inputColorType: type, inputHasAlpha: false, bitDepth: 8 })
  png.data = Buffer.from(pixels)
  return PNG.sync.write(png, { colorType: type, inputColorType: type, inputHasAlpha: false, bitDepth: 8 })
}

/** Reads 8-bit grey and RGB. Throws DATA_FORMAT for every other file, and for one that is larger than 4096 pixels a side. */
export function decodePng(bytes: Uint8Array): Picture {
  if (bytes.byteLength > maxPngBytes)
    throw new LetheError('DATA_FORMAT', {
      message: 'the PNG file is too large',
      expected: `at most ${maxPngBytes} bytes`,
      received: `${bytes.byteLength}`,
    })
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer.length < 33 || !buffer.subarray(0, 8).equals(signature)) throw new LetheError('DATA_FORMAT', { message: 'not a PNG file' })
  // Read from the header first, so that a small file cannot ask for a huge picture.
  const width = buffer.readUInt32BE(16)
  const height = buffer.readUInt32BE(20)
  const depth = buffer[24]
  const type = buffer[25]
  if (width < 1 || height < 1 || width > maxSide || height > maxSide) {
    throw new LetheError('DATA_FORMAT', {
      message: 'the picture is too large',
      expected: `1 to ${maxSide} pixels a side`,
      received: `${width}×${height}`,
    })
  }
  if (depth !== 8 || (type !== greyType && type !== colourType)) {
    throw new LetheError('DATA_FORMAT', {
      message: 'the PNG has a pixel type that Lethe does not read',
      expected: '8-bit grey or RGB',
      received: `depth ${depth}, colour type ${type}`,
    })
  }
  let rgba: Buffer
  try {
    rgba = PNG.sync.read(buffer).data
  } catch (cause) {
    throw new LetheError('DATA_FORMAT', { message: 'the PNG file is damaged', cause })
  }
  const channels = type === greyType ? 1 : 3
  const pixels = new Uint8Array(height * width * channels)
  for (let i = 0; i < height * width; i++) for (let c = 0; c < channels; c++) pixels[i * channels + c] = rgba[4 * i + c]
  return { height, width, channels, pixels }
}

/** `count` pictures that lie one after the other, as an evaluation returns them: views, not copies. */
export function picturesOf(images: Uint8Array, shape: Omit<Picture, 'pixels'>): Picture[] {
  const pixelBytes = shape.height * shape.width * shape.channels
  return Array.from({ length: Math.floor(images.byteLength / pixelBytes) }, (_, i) => ({
    ...shape,
    pixels: images.subarray(i * pixelBytes, (i + 1) * pixelBytes),
  }))
}

export interface GridOptions {
  columns: number
  /** Pixels on the sheet for one of the picture, per side. */
  scale?: number
  /** Pixels of the sheet between two pictures and around them. */
  gap?: number
  /** Colour of the frame drawn into the gap around picture i, or undefined for none. */
  frame?: (index: number) => Colour | undefined
  background?: Colour
}

/** Lays pictures of one shape out in rows and returns the sheet as RGB, or as grey where nothing in it has a colour. */
export function grid(pictures: readonly Picture[], options: GridOptions): Picture {
  const { columns, scale = 1, gap = 2, frame = () => undefined, background = [255, 255, 255] } = options
  const [{ height, width, channels }] = pictures
  const cellHeight = height * scale
  const cellWidth = width * scale
  const rows = Math.ceil(pictures.length / columns)
  const sheet: Picture = {
    height: rows * (cellHeight + gap) + gap,
    width: Math.min(columns, pictures.length) * (cellWidth + gap) + gap,
    channels: 3,
    pixels: new Uint8Array(0),
  }
  sheet.pixels = new Uint8Array(sheet.height * sheet.width * 3)
  fill(sheet, 0, 0, sheet.height, sheet.width, background)

  pictures.forEach(({ pixels }, i) => {
    const top = gap + Math.floor(i / columns) * (cellHeight + gap)
    const left = gap + (i % columns) * (cellWidth + gap)
    const colour = frame(i)
    if (colour) fill(sheet, top - gap, left - gap, cellHeight + 2 * gap, cellWidth + 2 * gap, colour)
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = (y * width + x) * channels
        const pixel: Colour = channels === 1 ? [pixels[at], pixels[at], pixels[at]] : [pixels[at], pixels[at + 1], pixels[at + 2]]
        fill(sheet, top + y * scale, left + x * scale, scale, scale, pixel)
      }
    }
  })
  return asGrey(sheet) ?? sheet
}

function fill(sheet: Picture, top: number, left: number, height: number, width: number, [red, green, blue]: Colour): void {
  for (let y = top; y < top + height; y++) {
    for (let x = left; x < left + width; x++) {
      const at = (y * sheet.width + x) * 3
      sheet.pixels[at] = red
      sheet.pixels[at + 1] = green
      sheet.pixels[at + 2] = blue
    }
  }
}

function asGrey({ height, width, pixels }: Picture): Picture | undefined {
  const grey = new Uint8Array(height * width)
  for (let i = 0; i < grey.length; i++) {
    grey[i] = pixels[3 * i]
    if (grey[i] !== pixels[3 * i + 1] || grey[i] !== pixels[3 * i + 2]) return undefined
  }
  return { height, width, channels: 1, pixels: grey }
}
