/*
 * Writes docs/errors.md from the error table: `npm run docs`. A test fails when the page is not what this makes.
 */
import { realpathSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { errorTable } from '../protocol/errors.ts'

const sections: readonly [from: number, to: number, title: string][] = [
  [1, 9, 'Command line'],
  [10, 19, 'Job file'],
  [20, 29, 'Data'],
  [30, 39, 'Checkpoint and extractors'],
  [40, 49, 'Connection'],
  [50, 59, 'Compute'],
  [60, 69, 'Storage'],
  [70, 79, 'Run'],
  [130, 130, 'Interrupted'],
]

export function errorsPage(): string {
  const rows = Object.entries(errorTable).sort(([, a], [, b]) => a.exitCode - b.exitCode)
  const tables = sections.map(([from, to, title]) => {
    const lines = rows
      .filter(([, { exitCode }]) => exitCode >= from && exitCode <= to)
      .map(([code, { exitCode, title, hint }]) => `| ${exitCode} | \`${code}\` | ${title} | ${hint} |`)
    return [`## ${title}`, '', '| exit | code | what | what to do |', '| ---: | --- | --- | --- |', ...lines, ''].join('\n')
  })
  return `# Errors

Every failure ends the command with one line on stderr, \`error CODE: what; expected …; got …. hint\`, and with an exit status of its own.
Codes and numbers are stable. This page is made from \`protocol/errors.ts\` by \`npm run docs\`.

${tables.join('\n')}`
}

if (realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) writeFileSync(new URL('errors.md', import.meta.url), errorsPage())
