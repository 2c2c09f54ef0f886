import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LetheError } from '../../protocol/errors.ts'
import { makeDirectory } from './directory.ts'
import { diskError } from './files.ts'

/** When the kernel started a process, so that a pid that was given away again is not mistaken for its first owner. Empty where unknown. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return ''
  }
}

function isAlive(owner: string): boolean {
  const [pid, start] = owner.trim().split(' ')
  if (!/^[1-9][0-9]*$/.test(pid)) return false
  try {
    process.kill(Number(pid), 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
  }
  const now = startOf(Number(pid))
  return start === undefined || now === '' || now === start
}

/**
 * Makes this process the only coordinator of a run folder. The lock of a process that is gone is taken over.
 * @returns the release.
 * @throws LetheError RUN_LOCKED where its owner lives.
 */
export async function lock(path: string): Promise<() => Promise<void>> {
  const me = `${process.pid} ${startOf(process.pid)}\n`
  try {
    makeDirectory(dirname(path))
  } catch (cause) {
    throw diskError(cause, `cannot make ${dirname(path)}`)
  }
  for (;;) {
    if (await claim(path, me)) return () => rm(path, { force: true })
    const owner = await readFile(path, 'utf8').catch(() => null)
    if (owner === null) continue
    if (isAlive(owner)) throw new LetheError('RUN_LOCKED', { message: `process ${owner.split(' ')[0]} works on ${dirname(path)}` })
    await takeAway(path, owner)
  }
}

/** A hard link appears with its content, so nobody reads a lock that has no owner yet. */
async function claim(path: string, me: string): Promise<boolean> {
  const mine = `${path}.${randomUUID()}`
  try {
    await writeFile(mine, me)
    await link(mine, path)
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw diskError(cause, `cannot write ${path}`)
  } finally {
    await rm(mine, { force: true })
  }
}

/** Two processes may find the same dead owner: what was moved away must be what was judged. */
async function takeAway(path: string, owner: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await rename(path, aside)
  } catch {
    return
  }
  const moved = await readFile(aside, 'utf8')
  if (moved === owner) await rm(aside, { force: true })
  else await rename(aside, path)
}
