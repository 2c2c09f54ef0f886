/** The address for workers elsewhere: a server that listens on every address is found by its machine's name. */
export function advertisedUrl(url: string, machine: string): string {
  return url.replace(/^(wss?):\/\/(0\.0\.0\.0|\[::\])(?=:)/, `$1://${machine}`)
}
