/*
 * Runs everything that must hold: types, lint and format, and every test file, two at a time, each in a process of its own.
 *
 *   node test/run.js                     all
 *   node test/run.js protocol worker/nn  only the test files whose path holds one of the words
 *
 * Shows a line for each file and every failure in full. The last line is `N passed, N failed`, counting assertions; the exit
 * status is 1 if any failed. A file that crashes, hangs or asserts nothing counts as one failure.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Parser } from 'tap-parser'
import { stringify } from 'yaml'
import { installNats } from './support/install-nats.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const fileTimeoutMs = 300_000
const filesAtATime = 2
const stderrTailChars = 8_000
const failureLines = 200
const require = createRequire(import.meta.url)

const words = process.argv.slice(2)
const files = readdirSync(`${root}test`, { recursive: true, encoding: 'utf8' })
  .map((path) => `test/${path.replaceAll('\\', '/')}`)
  .filter((path) => path.endsWith('.test.ts') && (words.length === 0 || words.some((word) => path.includes(word))))
  .sort()

const biome = require.resolve('@biomejs/biome/bin/biome')
const checks = [
  { name: 'types', command: [require.resolve('typescript/bin/tsc'), '--noEmit'] },
  { name: 'lint and format', command: [biome, 'check', '--error-on-warnings', '.'] },
]
const jobs = [...(words.length === 0 ? checks.map((check) => () => runCheck(check)) : []), ...files.map((file) => () => runFile(file))]

if (files.length > 0) installNats()

const totals = { passed: 0, failed: 0, skipped: 0 }
const queue = jobs.values()
await Promise.all(
  Array.from({ length: filesAtATime }, async () => {
    for (const job of queue) report(await job())
  }),
)
if (jobs.length === 0) console.log('No test file has that name.')
if (totals.skipped > 0) console.log(`${totals.skipped} skipped`)
console.log(`${totals.passed} passed, ${totals.failed} failed`)
process.exitCode = totals.failed > 0 || jobs.length === 0 ? 1 : 0

/** @param {{ name: string, command: string[] }} check */
async function runCheck({ name, command }) {
  const output = []
  const run = await runNode(command, (chunk) => output.push(chunk))
  const failures = run.problem ? [`${run.problem}\n${output.join('')}${run.stderr}`.trim()] : []
  return { name, passed: failures.length === 0 ? 1 : 0, skipped: 0, failures, seconds: run.seconds }
}

/** @param {string} file */
async function runFile(file) {
  const tally = { passed: 0, skipped: 0, failures: [] }
  const parser = new Parser()
  countAssertions(parser, [], tally)
  const run = await runNode(['--import', 'tsx', file], (chunk) => parser.write(chunk))
  parser.end()
  if (tally.failures.length === 0) {
    if (run.problem) tally.failures.push(`${run.problem}\n${run.stderr}`.trim())
    else if (tally.passed + tally.skipped === 0) tally.failures.push('asserts nothing')
  }
  return { name: file, ...tally, seconds: run.seconds }
}

/** Counts leaves: the line that sums up a subtest counts only if it failed though nothing in it did (a time limit, a wrong plan). */
function countAssertions(parser, path, tally) {
  let subtest
  parser.on('child', (child) => {
    subtest = { tally: { passed: 0, skipped: 0, failures: [] } }
    countAssertions(child, [...path, child.name], subtest.tally)
  })
  parser.on('assert', (result) => {
    const inner = subtest?.tally
    subtest = undefined
    if (inner) {
      tally.passed += inner.passed
      tally.skipped += inner.skipped
      tally.failures.push(...inner.failures)
      if (result.ok || inner.failures.length > 0) return
    }
    if (result.skip || result.todo) tally.skipped++
    else if (result.ok) tally.passed++
    else tally.failures.push(`${[...path, result.name].join(' › ')}\n${describe(result.diag)}`.trim())
  })
  parser.on('bailout', (reason) => tally.failures.push(`bailed out: ${reason}`))
}

function describe(diag) {
  if (!diag) return ''
  const { diff, stack, source, at, ...rest } = diag
  const where = at?.fileName ? `at ${at.fileName}:${at.lineNumber}` : ''
  const others = Object.keys(rest).length > 0 ? stringify(rest) : ''
  return [where, diff, others, stack].filter(Boolean).join('\n')
}

/**
 * @param {string[]} command of node
 * @param {(chunk: string) => void} onStdout
 * @returns {Promise<{ problem: string | undefined, stderr: string, seconds: number }>}
 */
function runNode(command, onStdout) {
  return new Promise((resolve) => {
    const startedAt = performance.now()
    // A group of its own, so that whatever a test leaves behind ends with it.
    const child = spawn(process.execPath, command, {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TAP_TIMEOUT: String(fileTimeoutMs / 1000), NO_COLOR: '1' },
    })
    const endGroup = () => {
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch (error) {
        if (error.code !== 'ESRCH') throw error
      }
    }
    let stderr = ''
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      endGroup()
    }, fileTimeoutMs)
    child.stdout.setEncoding('utf8').on('data', onStdout)
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-stderrTailChars)
    })
    child.on('exit', () => child.pid && endGroup())
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const problem = timedOut
        ? `took longer than ${fileTimeoutMs / 1000} s`
        : signal
          ? `ended by ${signal}`
          : code !== 0
            ? `exit status ${code}`
            : undefined
      resolve({ problem, stderr, seconds: (performance.now() - startedAt) / 1000 })
    })
  })
}

function report({ name, passed, skipped, failures, seconds }) {
  totals.passed += passed
  totals.skipped += skipped
  totals.failed += failures.length
  const counts = [`${passed} passed`, skipped > 0 && `${skipped} skipped`, failures.length > 0 && `${failures.length} failed`]
  console.log(`${failures.length > 0 ? 'FAIL' : 'ok  '} ${name}  ${counts.filter(Boolean).join(', ')}  ${seconds.toFixed(1)} s`)
  for (const failure of failures) {
    const lines = failure.split('\n')
    const more = lines.length > failureLines ? [`… and ${lines.length - failureLines} more lines`] : []
    console.log(['', ...lines.slice(0, failureLines), ...more, ''].join('\n  ').trimEnd(), '\n')
  }
}
