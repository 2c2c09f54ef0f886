/* Grids of values, and the texts in which `{name}` stands for one of them. */

export type Values = Readonly<Record<string, string | number>>

const placeholder = /\{([a-z][a-zA-Z0-9]*)\}/g

type Grid = Readonly<Record<string, readonly (string | number)[]>>

/** Every combination, the last name fastest; one without values where there is no grid. `only` leaves out other values. */
export function combinations(grid: Grid = {}, only: Grid = {}): Values[] {
  return Object.entries(grid).reduce<Values[]>(
    (before, [name, values]) => {
      const left = chosen(values, only[name])
      return before.flatMap((earlier) => left.map((value) => ({ ...earlier, [name]: value })))
    },
    [{}],
  )
}

/** How many combinations there are, without making them. */
export function combinationCount(grid: Grid = {}, only: Grid = {}): number {
  return Object.entries(grid).reduce((count, [name, values]) => count * chosen(values, only[name]).length, 1)
}

function chosen(values: readonly (string | number)[], only: readonly (string | number)[] | undefined): readonly (string | number)[] {
  const allowed = only && new Set(only.map(String))
  return allowed ? values.filter((value) => allowed.has(String(value))) : values
}

export function placeholdersOf(text: string): string[] {
  return [...text.matchAll(placeholder)].map(([, name]) => name)
}

/** A mapping in YAML, such as `{rule: fixed}`, is no placeholder; a name that has no value stays as it is. */
export function filled(text: string, values: Values): string {
  return text.replace(placeholder, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole))
}
