/** Style of report.html. Everything is inline: the page is one file that works without a network. */
export const style = `
:root { color-scheme: light dark; --ink: #18181b; --soft: #63636e; --line: #e4e4e7; --page: #fafafa; --card: #fff; --keep: #2563eb;
  --forget: #d9730d; --norm: #7c3aed; --good: #15803d; --bad: #b91c1c; --hit: #dc2626 }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf1; --soft: #a1a1aa; --line: #2e2e33; --page: #111113; --card: #19191c;
  --keep: #6ea8fe; --forget: #f2a65a; --norm: #b79cf7; --good: #4ade80; --bad: #f87171; --hit: #ef4444 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 72px }
header .brand { font-weight: 650; letter-spacing: .02em; color: var(--soft) }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 6px 0 8px; letter-spacing: -.02em; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 0 0 4px; letter-spacing: -.01em }
h3 { font-size: .8rem; margin: 0 0 10px; font-weight: 600; color: var(--soft); text-transform: uppercase; letter-spacing: .06em }
p { margin: 0 0 12px; max-width: 76ch }
.lead { font-size: 1.1rem }
.soft, .note { color: var(--soft) }
.note { font-size: .9rem; max-width: 92ch }
.sheets .note { margin: 14px 0 8px }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 22px 24px; margin-top: 20px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(220px, 1fr)); gap: 14px; margin-top: 24px }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 20px }
.tile b { display: block; font-size: 1.75rem; font-weight: 640; letter-spacing: -.02em; font-variant-numeric: tabular-nums; line-height: 1.3 }
.tile b i { font-style: normal; font-weight: 400; color: var(--soft) }
.tile span { color: var(--soft); font-size: .9rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; margin: 10px 0 12px }
th, td { text-align: right; padding: 9px 0 9px 20px; border-bottom: 1px solid var(--line); white-space: nowrap }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal }
thead th { color: var(--soft); font-weight: 500; font-size: .9rem }
.good { color: var(--good) } .bad { color: var(--bad) }
.recall { display: grid; grid-template-columns: auto 1fr; gap: 8px 32px; margin-top: 16px; align-items: start }
.recall .phases { display: grid; gap: 18px; min-width: 0 }
.strip { display: flex; flex-wrap: wrap; gap: 10px }
figure { margin: 0; text-align: center; font-size: .8rem; color: var(--soft); font-variant-numeric: tabular-nums }
img { image-rendering: pixelated; display: block }
figure img { width: 64px; height: 64px; border-radius: 4px; border: 3px solid transparent; background: #18181b }
figure.hit img { border-color: var(--hit) }
figure.hit { color: var(--hit); font-weight: 600 }
figure.large img { width: 148px; height: 148px; border: 0; border-radius: 8px }
.sheets { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 24px; margin-top: 16px }
.sheets > div > img { width: 100%; max-width: 520px; height: auto; border-radius: 8px }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 24px; margin-top: 14px }
.plot { width: 100%; height: auto; font-size: 13px; fill: var(--soft) }
.plot .title { font-size: 14px; font-weight: 600; fill: var(--ink) }
.plot .grid line { stroke: var(--line) }
.curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke: var(--ink) }
.curve.raw { stroke-width: 1; opacity: .28 }
.curve.keep { stroke: var(--keep) } .curve.forget { stroke: var(--forget) } .curve.norm { stroke: var(--norm) }
.plots.one { max-width: 560px }
.dot line { stroke-width: 1.6 } .dot circle { stroke-width: 1.8 }
.dot.keep { stroke: var(--keep) } .dot.forget { stroke: var(--forget) } .dot.norm { stroke: var(--norm) } .dot.before { opacity: .7 }
.dot.before circle { fill: var(--card) } .dot.after.keep circle, .legend.keep { fill: var(--keep) }
.dot.after.forget circle, .legend.forget { fill: var(--forget) } .dot.after.norm circle, .legend.norm { fill: var(--norm) }
.strips { display: grid; grid-template-columns: max-content 1fr; gap: 4px 12px; align-items: center; font-size: .9rem; color: var(--soft) }
.strips img { width: 100%; max-width: 520px; height: auto; border-radius: 4px }
details summary { cursor: pointer; font-weight: 600; font-size: 1.15rem }
pre { overflow-x: auto; font: .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; margin: 14px 0 0 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 24px; margin: 12px 0 0; font-size: .92rem }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere; min-width: 0 }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
ul { margin: 10px 0 0; padding-left: 20px } li { margin-bottom: 6px; max-width: 76ch }
@media (max-width: 640px) { main { padding: 24px 14px 48px } section { padding: 18px 16px } .recall { grid-template-columns: 1fr }
  dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: 8px } th, td { padding-left: 12px } h1 { font-size: 1.7rem } }
@media print { section, .tile { break-inside: avoid } details::details-content { content-visibility: visible } }
`
