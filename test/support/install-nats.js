import { spawnSync } from 'node:child_process'

/** Debian puts the server where ordinary users' paths do not look. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/bin`, DEBIAN_FRONTEND: 'noninteractive' }
const installMs = 180_000

const succeeds = (command, args) => spawnSync(command, args, { env, stdio: 'ignore', timeout: installMs }).status === 0

/**
 * Installs nats-server where it is missing, from the system's packages. Says so in one line; where it cannot be had, the tests that need it
 * say so themselves, and fail.
 */
export function installNats() {
  if (succeeds('nats-server', ['--version'])) return
  const isRoot = process.getuid?.() === 0
  const apt = (...args) => (isRoot ? succeeds('apt-get', args) : succeeds('sudo', ['-n', 'apt-get', ...args]))
  const install = () => apt('install', '-y', '--no-install-recommends', 'nats-server')
  const isInstalled = install() || (apt('update') && install())
  console.log(
    isInstalled ? 'nats-server was missing and is installed now' : 'nats-server is missing and cannot be installed: its tests will fail',
  )
}
