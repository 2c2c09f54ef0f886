/* Grids of values, and the texts in which `{name}` stands for one of them. */

export type Values = Readonly<Record<string, string | number>>

const placeholder = /\{([a-z][a-zA-Z0-9]*)\}/g

/** Every combination, the last name fastest; one without values where there is no grid. `only` leaves out other values. */
export function combinations(grid: Readonly<Record<string, readonly (string | number)[]>> = {}, only: typeof grid = {}): Values[] {
  return Object.entries(grid).reduce<Values[]>(
    (before, [name, values]) => {
      const allowed = only[name]?.map(String)
      const left = values.filter((value) => allowed === undefined || allowed.includes(String(value)))
      return before.flatMap((chosen) => left.map((value) => ({ ...chosen, [name]: value })))
    },
    [{}],
  )
}

export function placeholdersOf(text: string): string[] {
  return [...text.matchAll(placeholder)].map(([, name]) => name)
}

/** A mapping in YAML, such as `{rule: fixed}`, is no placeholder; a name that has no value stays as it is. */
export function filled(text: string, values: Values): string {
  return text.replace(placeholder, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole))
}
