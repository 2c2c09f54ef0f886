import { request } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { createIdentity } from '../../../protocol/identity.ts'
import { memberHeader, protocolVersion } from '../../../protocol/socket.ts'
import { runWorker } from '../../../worker/main.ts'
import { startToyRun, token, toyJob } from '../../support/toy-run.ts'
import { toyOpener } from '../../support/toy-session.ts'

t.setTimeout(120_000)

interface Answer {
  status: number
  head: string
  body: string
}

function upgrade(url: string, headers: Record<string, string>): Promise<Answer> {
  const { hostname, port, pathname } = new URL(url)
  return new Promise((resolve, reject) => {
    const wanted = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==',
      ...headers,
    }
    const sent = request({ hostname, port, path: pathname, headers: wanted }, (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, head: JSON.stringify(response.rawHeaders), body }))
    })
    sent.on('upgrade', (_response, socket) => {
      socket.destroy()
      resolve({ status: 101, head: '', body: '' })
    })
    sent.on('error', reject)
    sent.end()
  })
}

t.test('strangers are refused in the upgrade', async (t) => {
  const folder = t.testdir({ model: {} })
  const run = await startToyRun(t, toyJob(join(folder, 'model')), join(folder, 'run'), { faults: [{ microBatchMs: 5 }] })
  await run.reached(1)
  const authorization = `Bearer ${token}`
  const version = String(protocolVersion)

  const cases: { path: string; headers: Record<string, string>; status: number; code: string }[] = [
    { path: '/bus', headers: {}, status: 401, code: 'CONNECTION_TOKEN' },
    { path: '/bus', headers: { authorization: 'Bearer no', 'lethe-protocol': version }, status: 401, code: 'CONNECTION_TOKEN' },
    { path: '/bus', headers: { authorization: token, 'lethe-protocol': version }, status: 401, code: 'CONNECTION_TOKEN' },
    { path: '/bus', headers: { authorization }, status: 426, code: 'CONNECTION_VERSION' },
    { path: '/bus', headers: { authorization, 'lethe-protocol': '0' }, status: 426, code: 'CONNECTION_VERSION' },
    { path: '/bulk', headers: { authorization, 'lethe-protocol': version }, status: 401, code: 'CONNECTION_TOKEN' },
    { path: '/bulk', headers: { [memberHeader]: '0'.repeat(64), 'lethe-protocol': version }, status: 401, code: 'CONNECTION_TOKEN' },
    { path: '/else', headers: { authorization, 'lethe-protocol': version }, status: 404, code: 'CONNECTION_REFUSED' },
    { path: '/else', headers: {}, status: 401, code: 'CONNECTION_TOKEN' },
  ]
  for (const { path, headers, status, code } of cases) {
    const answer = await upgrade(run.bus + path, headers)
    t.equal(answer.status, status, `${path} ${status}`)
    t.equal(JSON.parse(answer.body).code, code)
    t.notMatch(answer.body, token, 'the token is not told')
    if (status === 401) t.notMatch(answer.body + answer.head, /protocol|version|[0-9a-f]{32}/, 'nor the version, nor a name')
  }
  t.equal((await upgrade(`${run.bus}/bus`, { authorization, 'lethe-protocol': version })).status, 101)

  const stranger = { bus: run.bus, token: 'wrong', identity: createIdentity(), openSession: toyOpener() }
  await t.rejects(runWorker(stranger), { code: 'CONNECTION_TOKEN', exitCode: 41 })
  const report = await run.result
  t.equal(report.steps, 20, 'the run went on')
})

t.test('a worker without a coordinator gives up', async (t) => {
  const before = performance.now()
  const worker = runWorker({ bus: 'ws://127.0.0.1:9', token, identity: createIdentity(), openSession: toyOpener() })
  await t.rejects(worker, { code: 'CONNECTION_REFUSED', exitCode: 40 })
  t.ok(performance.now() - before < 15_000)
})
