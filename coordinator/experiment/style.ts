import { style } from '../report/style.ts'

/** That of a run's report, and what only an experiment shows. */
export const experimentStyle = `${style}
main { max-width: 1480px }
table.models td, table.models th { vertical-align: top; padding-left: 14px }
table.models td:first-child, table.models th:first-child { min-width: 190px; padding-left: 0 }
table.models td small, table.attacks td small { display: block; color: var(--soft); font-size: .78rem; font-weight: 400 }
table td small.bad { color: var(--bad) }
th small { display: block; font-weight: 400; font-size: .75rem }
td.best { font-weight: 640 }
.plot .arm { fill: none; stroke-width: 2.2; stroke-linejoin: round }
.plot .arm.own { stroke: var(--forget) } .plot circle.arm.own { fill: var(--forget) }
.plot .arm.original { stroke: var(--soft); stroke-width: 1.6; stroke-dasharray: 6 4 }
.plot .arm.retrained { stroke: var(--keep); stroke-width: 1.6; stroke-dasharray: 2 3 }
.plot .band { fill: var(--forget); opacity: .18 }
.plot .front { fill: none; stroke: var(--ink); stroke-width: 2 }
.plot .unknown { fill: var(--soft) }
.plot .label { fill: var(--ink); font-size: 13px }
.plot .leader { stroke: var(--soft); stroke-width: 1 }
.scatter { max-width: 860px }
.key { display: inline-block; width: 26px; height: 0; border-top: 2.2px solid var(--forget); vertical-align: middle; margin: 0 6px 0 14px }
.key.original { border-top: 2px dashed var(--soft) } .key.retrained { border-top: 2px dotted var(--keep) }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 6px; vertical-align: -1px; margin: 0 4px 0 12px }
.row-sheets { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 16px; margin: 10px 0 22px }
.row-sheets svg { width: 100%; max-width: 420px; height: auto; border-radius: 6px; display: block; image-rendering: pixelated }
.row-sheets figcaption { margin-top: 4px }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; margin: 2px 0 10px }
`
