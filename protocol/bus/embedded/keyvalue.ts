import type { KeyValue } from '../bus.ts'
import { checkKey, checkPattern } from '../names.ts'
import { checkPayload } from '../payload.ts'
import type { Ask } from './link.ts'

export function embeddedKeyValue(ask: Ask, bucket: string, watch: KeyValue['watch']): KeyValue {
  const set = async (key: string, value: Uint8Array, expected: number | null) => {
    checkKey(key)
    checkPayload(value)
    return ask({ op: 'set', bucket, key, value, expected })
  }
  return {
    async get(key) {
      checkKey(key)
      return ask({ op: 'get', bucket, key })
    },
    put: async (key, value) => (await set(key, value, null)) as number,
    create: (key, value) => set(key, value, 0),
    update: (key, value, revision) => set(key, value, revision),
    async delete(key) {
      checkKey(key)
      await ask({ op: 'delete', bucket, key })
    },
    async keys() {
      const keys: string[] = []
      for (let isMore = true; isMore; ) {
        const page = await ask({ op: 'keys', bucket, after: keys.at(-1) ?? '' })
        keys.push(...page.keys)
        isMore = page.isMore
      }
      return keys
    },
    async watch(pattern, onEntry) {
      checkPattern(pattern)
      return watch(pattern, onEntry)
    },
  }
}
