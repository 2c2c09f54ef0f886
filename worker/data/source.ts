/** One part of a data set: equal-sized 8-bit images in memory, with a label each. */
export interface Source {
  items: number
  height: number
  width: number
  channels: number
  /** [items, height, width, channels] flattened; where `repeats` is set, the pixels of the one image that all items share. */
  pixels: Uint8Array
  repeats: boolean
  labels: Uint16Array
}
