/*
 * Makes users of the NATS server, each with a key of its own and the rights of its role:
 *
 *   node deploy/nats/users.js FOLDER [--cluster NAME] [coordinator-1 worker-1 worker-2 operator-1 …]
 *
 * The first word of a name is its role. For each new name, FOLDER gets NAME.seed, the secret that --bus-credentials reads; users.conf is
 * written anew with the public keys of all names that have a seed there. Nothing secret stands in users.conf.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { nkeys } from '@nats-io/nats-core/internal'

const nameForm = /^(coordinator|worker|operator)-[a-z0-9][a-z0-9-]{0,31}$/
const clusterForm = /^[a-z0-9][a-z0-9-]{0,31}$/

/**
 * What each role may do. Every user has inboxes of its own, so that nobody reads the answers to others.
 * @param {string} cluster
 * @param {string} inbox
 */
const permissions = (cluster, inbox) => ({
  // Leads and stands by: everything of Lethe. It answers requests, and so needs no right to other inboxes.
  coordinator: {
    publish: ['lethe.>', '$JS.API.>', '$JS.ACK.>', '$JS.FC.>', '$KV.>', '$O.>', 'lethe-log.>', 'lethe-queue.>', 'lethe-dead.>'],
    subscribe: [`lethe.>`, inbox],
    allowResponses: true,
  },
  // Asks to join, sends its packets, gets its own, and reads who leads. Not the journal, not the packets of the leader, no writing of keys.
  worker: {
    publish: [
      `lethe.${cluster}.*.join`,
      `lethe.${cluster}.*.up`,
      '$JS.API.INFO',
      `$JS.API.STREAM.INFO.KV_lethe-${cluster}`,
      `$JS.API.STREAM.MSG.GET.KV_lethe-${cluster}`,
      `$JS.API.CONSUMER.CREATE.KV_lethe-${cluster}.>`,
      `$JS.API.CONSUMER.DELETE.KV_lethe-${cluster}.>`,
      `$JS.FC.KV_lethe-${cluster}.>`,
    ],
    subscribe: [`lethe.${cluster}.*.down.*`, inbox],
  },
  // Looks, and changes nothing.
  operator: {
    publish: [
      '$JS.API.INFO',
      '$JS.API.STREAM.NAMES',
      '$JS.API.STREAM.LIST',
      '$JS.API.STREAM.INFO.*',
      '$JS.API.STREAM.MSG.GET.*',
      '$JS.API.CONSUMER.NAMES.*',
      '$JS.API.CONSUMER.LIST.*',
      '$JS.API.CONSUMER.INFO.*.*',
    ],
    subscribe: ['lethe.*.*.up', '$JS.EVENT.>', inbox],
  },
})

/**
 * @param {string} folder
 * @param {string[]} names
 * @param {string} cluster
 * @returns {string[]} all names in users.conf
 */
export function makeUsers(folder, names, cluster = 'default') {
  const bad = names.find((name) => !nameForm.test(name))
  if (bad !== undefined) throw new RangeError(`${bad} is not a name such as coordinator-1, worker-1 or operator-1`)
  if (!clusterForm.test(cluster)) throw new RangeError(`${cluster} is not the name of a cluster`)
  mkdirSync(folder, { recursive: true })
  const seeds = () => readdirSync(folder).flatMap((file) => (file.endsWith('.seed') ? [file.slice(0, -5)] : []))
  const known = new Set(seeds())
  for (const name of names) {
    if (known.has(name)) continue
    writeFileSync(join(folder, `${name}.seed`), `${Buffer.from(nkeys.createUser().getSeed())}\n`, { flag: 'wx', mode: 0o600 })
  }
  const all = seeds()
    .filter((name) => nameForm.test(name))
    .sort()
  const file = join(folder, 'users.conf')
  writeFileSync(`${file}.new`, `users = [\n${all.map((name) => userBlock(folder, name, cluster)).join('')}]\n`, { mode: 0o644 })
  chmodSync(`${file}.new`, 0o644)
  renameSync(`${file}.new`, file)
  return all
}

function userBlock(folder, name, cluster) {
  const key = nkeys.fromSeed(Buffer.from(readFileSync(join(folder, `${name}.seed`), 'utf8').trim())).getPublicKey()
  const { publish, subscribe, allowResponses } = permissions(cluster, `_INBOX_${key}.>`)[name.slice(0, name.indexOf('-'))]
  const list = (subjects) => `[${subjects.map((subject) => JSON.stringify(subject)).join(', ')}]`
  return `  # ${name}
  {
    nkey: ${key}
    permissions {
      publish { allow: ${list(publish)} }
      subscribe { allow: ${list(subscribe)} }${allowResponses ? '\n      allow_responses: true' : ''}
    }
  }
`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [folder, ...rest] = process.argv.slice(2)
  const at = rest.indexOf('--cluster')
  const [, cluster] = at < 0 ? [] : rest.splice(at, 2)
  if (folder === undefined) {
    console.error('usage: node deploy/nats/users.js FOLDER [--cluster NAME] [coordinator-1 worker-1 operator-1 …]')
    process.exitCode = 2
  } else {
    try {
      console.log(`${makeUsers(folder, rest, cluster).length} users in ${join(folder, 'users.conf')}`)
    } catch (error) {
      console.error(error.message)
      process.exitCode = 2
    }
  }
}
