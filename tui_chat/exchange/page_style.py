"""The looks of an exported page: one style sheet, for light and dark, for screens and paper. Text only.

Only fonts that are there; nothing is fetched. The classes of code are those of Pygments' families of tokens.
"""

from typing import Final

COLOURED: Final = frozenset(["k", "s", "m", "nb", "no", "c", "nf", "nc", "nd", "na", "nt", "gh", "gi", "gd", "gr"])

STYLE: Final = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --ink: #23211d; --soft: #6f6a61; --line: #e4e0d7; --accent: #b4532a; --tint: #f2efe8; --code: #f5f2eb;
  --keyword: #8a3ffc; --string: #22703a; --number: #9a5b00; --comment: #857f74; --name: #1f5fae; --wrong: #b3261e;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #1b1a18; --ink: #e6e2d9; --soft: #9c968b; --line: #35322d; --accent: #e5956f; --tint: #25231f; --code: #22201d;
    --keyword: #c6a0f6; --string: #9fcf8f; --number: #e3b170; --comment: #8c867b; --name: #8db9ee; --wrong: #f2837b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 3.5rem 1.25rem 6rem; max-width: 46rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.65 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, sans-serif;
  overflow-wrap: break-word;
}
body > header { margin-bottom: 3rem; padding-bottom: 1.5rem; border-bottom: 1px solid var(--line); }
body > header h1 { margin: 0 0 .5rem; font-size: 1.9rem; line-height: 1.2; letter-spacing: -.015em; text-wrap: balance; }
.facts, .ends { margin: 0; color: var(--soft); font-size: .84rem; line-height: 1.5; font-variant-numeric: tabular-nums; }
.ends { margin-top: 1rem; }
.facts span + span::before, .ends span + span::before { content: " \\00b7  "; }
header details { margin: 1.1rem 0 0; }
.turn { margin: 0 0 3rem; }
.you {
  margin: 0 0 1.75rem; padding: .9rem 1.15rem; background: var(--tint); border-left: 3px solid var(--accent);
  border-radius: 0 .6rem .6rem 0;
}
.who { margin: 0 0 .35rem; color: var(--soft); font-size: .8rem; font-weight: 600; letter-spacing: .02em; }
.you .who { color: var(--accent); }
.verbatim { white-space: pre-wrap; margin: 0; }
.seam { margin: 0 0 1.75rem; color: var(--soft); font-size: .84rem; text-align: center; }
.note { color: var(--soft); font-size: .9rem; font-style: italic; }
.said > :first-child { margin-top: 0; }
.said > :last-child { margin-bottom: 0; }
p, ul, ol, blockquote, pre, table, details, .code { margin: 0 0 1.05rem; }
.said h1, .said h2, .said h3, .said h4, .said h5, .said h6 { margin: 1.9rem 0 .6rem; line-height: 1.3; letter-spacing: -.01em; }
.said h1 { font-size: 1.45rem; } .said h2 { font-size: 1.28rem; } .said h3 { font-size: 1.13rem; }
.said h4, .said h5, .said h6 { font-size: 1rem; }
ul, ol { padding-left: 1.6rem; } li { margin: .25rem 0; } .task { list-style: none; margin-left: -1.3rem; } li > p { margin-bottom: .5rem; }
blockquote { margin-left: 0; padding: .1rem 0 .1rem 1.1rem; border-left: 3px solid var(--line); color: var(--soft); }
hr { margin: 2rem 0; border: 0; border-top: 1px solid var(--line); }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: .18em; }
code, pre { font-family: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { padding: .12em .35em; background: var(--code); border-radius: .3em; font-size: .875em; }
pre {
  padding: .95rem 1.1rem; overflow-x: auto; background: var(--code); border: 1px solid var(--line); border-radius: .6rem;
  font-size: .84rem; line-height: 1.55; tab-size: 4;
}
pre code { padding: 0; background: none; border-radius: 0; font-size: inherit; }
.code { position: relative; } .code pre { margin: 0; }
.code .language { position: absolute; top: .45rem; right: .8rem; color: var(--soft); font-size: .72rem; }
.scroll { overflow-x: auto; margin: 0 0 1.05rem; }
table { border-collapse: collapse; margin: 0; font-size: .94rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .9rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; border-bottom-width: 2px; } .center { text-align: center; } .right { text-align: right; }
details { border: 1px solid var(--line); border-radius: .6rem; font-size: .93rem; }
summary { padding: .5rem .95rem; color: var(--soft); cursor: pointer; }
summary code { color: var(--ink); }
details > div { padding: .1rem .95rem .9rem; }
details pre { margin: 0 0 .7rem; max-height: 32rem; overflow: auto; }
.label { margin: 0 0 .3rem; color: var(--soft); font-size: .78rem; }
.sources { color: var(--soft); font-size: .88rem; }
.k { color: var(--keyword); } .s { color: var(--string); } .m, .nb, .no { color: var(--number); }
.c { color: var(--comment); font-style: italic; } .nf, .nc, .nd, .na, .nt, .gh { color: var(--name); }
.gi { color: var(--string); } .gd, .gr { color: var(--wrong); }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #555; --line: #ccc; --tint: #f6f6f6; --code: #f8f8f8; }
  body { max-width: none; padding: 0; font-size: 10.5pt; line-height: 1.5; }
  .you, pre, table, .said h1, .said h2, .said h3 { break-inside: avoid; }
  .who, .said h1, .said h2, .said h3 { break-after: avoid; }
  pre { white-space: pre-wrap; overflow: visible; max-height: none; }
  a { color: inherit; }
}
"""
