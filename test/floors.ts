import { posix } from 'node:path'
import ts from 'typescript'

/** What a file of each floor may import of ours (docs/architecture.md): itself and these. */
const below: Record<string, readonly string[]> = {
  protocol: [],
  worker: ['protocol'],
  coordinator: ['protocol'],
  cli: ['protocol', 'worker', 'coordinator'],
}

export const floors = Object.keys(below)

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  path: string
  text: string
}

/** Every import, static or dynamic, of types or values, that leaves its floor in a direction it may not. One line each. */
export function floorViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const floor = file.path.split('/')[0]
    const allowed = below[floor]
    if (!allowed) return []
    return specifiersOf(file.text)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => posix.join(posix.dirname(file.path), specifier))
      .filter((target) => ![floor, ...allowed].includes(target.split('/')[0]))
      .map(
        (target) => `${file.path} imports ${target}: ${floor}/ may import only ${[floor, ...allowed].map((one) => `${one}/`).join(', ')}`,
      )
  })
}

/** Module specifiers, and the files that a module loads by `new URL(…, import.meta.url)`, such as the code of a thread. */
function specifiersOf(text: string): string[] {
  const imports = ts.preProcessFile(text, true, true).importedFiles.map((one) => one.fileName)
  const urls = [...text.matchAll(/new URL\(\s*['"`]([^'"`]+\.[jt]s)['"`]\s*,\s*import\.meta\.url/g)].map((match) => match[1])
  return [...imports, ...urls]
}
