import t from 'tap'
import { workerCommand } from '../../cli/worker-command.ts'

const own = { address: 'ws://127.0.0.1:7777', cluster: 'default', token: 'random', isFromEnvironment: false }

t.test('the command that starts a worker has what a worker needs', async (t) => {
  t.equal(workerCommand(own), 'LETHE_TOKEN=random npx lethe worker --bus ws://127.0.0.1:7777')
  t.equal(workerCommand({ ...own, isFromEnvironment: true }), 'LETHE_TOKEN="$LETHE_TOKEN" npx lethe worker --bus ws://127.0.0.1:7777')
  t.equal(
    workerCommand({ ...own, token: null, identity: 'issuer.pub', insecure: true }),
    'npx lethe worker --bus ws://127.0.0.1:7777 --token-file ISSUED_TOKEN_FILE --insecure',
    'tokens are issued: the public key of the issuer is nothing for a worker',
  )
  t.equal(
    workerCommand({
      ...own,
      address: 'tls://nats.example:4222',
      cluster: 'blue',
      tokenFile: 'my token',
      busCredentials: 'coordinator-1.seed',
      tlsCa: 'ca.pem',
      tlsCert: 'machine.pem',
      tlsKey: 'machine.key',
    }),
    "npx lethe worker --bus tls://nats.example:4222 --cluster blue --token-file 'my token' --bus-credentials WORKER_CREDENTIALS_FILE " +
      '--tls-ca ca.pem --tls-cert machine.pem --tls-key machine.key',
    'the credentials are the worker’s own',
  )
})
