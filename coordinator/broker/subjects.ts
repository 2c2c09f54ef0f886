interface Node<Value> {
  words: Map<string, Node<Value>>
  /** Whose pattern ends here. */
  here: Set<Value>
  /** Whose pattern ends here in `>`. */
  below: Set<Value>
}

const node = <Value>(): Node<Value> => ({ words: new Map(), here: new Set(), below: new Set() })

/** Values by pattern. What a lookup costs depends on the words of the subject, not on the number of patterns. */
export class SubjectTree<Value> {
  readonly #root: Node<Value> = node()

  /** @returns what takes it away again. */
  add(pattern: string, value: Value): () => void {
    const words = pattern.split('.')
    const endsBelow = words.at(-1) === '>'
    if (endsBelow) words.pop()
    const path = [this.#root]
    for (const word of words) {
      const last = path[path.length - 1]
      const next = last.words.get(word) ?? node()
      last.words.set(word, next)
      path.push(next)
    }
    const values = endsBelow ? path[path.length - 1].below : path[path.length - 1].here
    values.add(value)
    return () => {
      values.delete(value)
      for (let i = path.length - 1; i > 0; i--) {
        const { words: inner, here, below } = path[i]
        if (inner.size + here.size + below.size > 0) return
        path[i - 1].words.delete(words[i - 1])
      }
    }
  }

  /** The values of every pattern that fits. */
  match(subject: string): Value[] {
    const found: Value[] = []
    let level = [this.#root]
    const words = subject.split('.')
    words.forEach((word, i) => {
      const next: Node<Value>[] = []
      for (const { words: inner, below } of level) {
        found.push(...below)
        for (const key of [word, '*']) {
          const one = inner.get(key)
          if (one) next.push(one)
        }
      }
      level = next
      if (i === words.length - 1) for (const { here } of level) found.push(...here)
    })
    return found
  }
}
