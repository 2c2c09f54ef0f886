import type { Picture } from '../../../protocol/picture.ts'
import { encodePng } from '../../../protocol/picture.ts'
import { escaped } from '../text.ts'

/* Pieces of report.html. */

/** `title` and `content` are markup. */
export function section(title: string, content: string): string {
  return `<section><h2>${title}</h2>${content}</section>`
}

export function image(picture: Picture, alt: string): string {
  return `<img src="data:image/png;base64,${Buffer.from(encodePng(picture)).toString('base64')}" width="${picture.width}" height="${picture.height}" alt="${escaped(alt)}">`
}

/** Of text; `tone` is the class of a cell, by row and column. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  tone: (row: number, column: number) => string | undefined = () => undefined,
): string {
  const cells = (row: readonly string[], i: number) =>
    row.map((cell, column) => `<td${tone(i, column) ? ` class="${tone(i, column)}"` : ''}>${escaped(cell)}</td>`).join('')
  const top = head.map((cell) => `<th>${escaped(cell)}</th>`).join('')
  const body = rows.map((row, i) => `<tr>${cells(row, i)}</tr>`).join('')
  return `<div class="scroll"><table><thead><tr>${top}</tr></thead><tbody>${body}</tbody></table></div>`
}

export function note(text: string): string {
  return `<p class="note">${escaped(text)}</p>`
}
