"""The report's style sheet."""

STYLE = """
:root { color-scheme: light dark; --page: #fbfbfc; --ink: #1c1e22; --faint: #5f6570; --line: #dfe2e7;
  --card: #ffffff; --best: #e7f1fa; --warn: #fff4dc; --warn-line: #d99a1c; --accent: #0a5c99; }
@media (prefers-color-scheme: dark) {
  :root { --page: #16181c; --ink: #e6e8ec; --faint: #a0a7b3; --line: #33373f; --card: #1e2126;
    --best: #17324a; --warn: #352b14; --warn-line: #c28a1a; --accent: #7dbdf0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue",
  Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 28px 20px 60px; }
header { display: flex; align-items: baseline; justify-content: space-between; flex-wrap: wrap; gap: 0 16px; }
h1 { font-size: 26px; margin: 0 0 6px; }
h2 { font-size: 18px; margin: 34px 0 10px; padding-bottom: 4px; border-bottom: 1px solid var(--line); }
h3 { font-size: 14px; margin: 14px 0 6px; }
p { margin: 8px 0; }
.when, figcaption { color: var(--faint); font-size: 13px; }
.notice { background: var(--warn); border-left: 4px solid var(--warn-line); padding: 8px 12px; font-size: 14px; }
.summary { font-size: 17px; margin: 16px 0 8px; }
.notes { color: var(--faint); font-size: 14px; margin: 6px 0; padding-left: 20px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; width: 100%; background: var(--card); margin: 6px 0 12px; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top;
  font-variant-numeric: tabular-nums; }
th { color: var(--faint); font-weight: 600; vertical-align: bottom; }
td { white-space: nowrap; }
th.text, td.text { white-space: normal; text-align: left; overflow-wrap: break-word; }
tr.best td { background: var(--best); font-weight: 600; }
.pictures { display: flex; flex-wrap: wrap; gap: 18px; align-items: flex-start; }
figure { margin: 0; max-width: 100%; }
figure.wide { flex: 1 1 100%; }
figure.half { flex: 1 1 420px; }
img { display: block; max-width: 100%; height: auto; border: 1px solid var(--line); border-radius: 4px;
  background: #ffffff; }
figcaption { margin-top: 5px; max-width: 78ch; }
details { margin: 6px 0 12px; }
summary { cursor: pointer; color: var(--accent); }
pre { background: var(--card); border: 1px solid var(--line); padding: 10px; overflow-x: auto; font-size: 12.5px; }
@media print { details > * { display: block; } section { break-inside: avoid-page; } }
"""
