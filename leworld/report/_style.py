"""The look of a report: one style sheet, light and dark."""

STYLE = """
:root{color-scheme:light dark;--bg:#fbfbf9;--card:#fff;--fg:#1d2125;--soft:#575f68;--line:#dfe2e1;
--grid:#e9ecea;--s1:#1f5fbf;--s2:#b3361f;--s3:#237a47;--s4:#7a4fb0;--link:#1f5fbf;--warn:#8a5300;--warnbg:#fdf4e3;
--good:#1d6b3c;--poor:#a82c17;--poorbg:#fdf0ed}
@media (prefers-color-scheme:dark){:root{--bg:#15181b;--card:#1c2024;--fg:#e6e8ea;--soft:#a3abb3;
--line:#32383e;--grid:#282d32;--s1:#79aef5;--s2:#f08f73;--s3:#74c795;--s4:#bf9ff0;--link:#8cbbff;
--warn:#f0c682;--warnbg:#2c2517;--good:#74c795;--poor:#f08f73;--poorbg:#2e1e1a}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-padding-top:1rem}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
header,main,footer{max-width:1120px;margin:0 auto;padding:0 20px}
header{padding-top:40px}
h1{font-size:clamp(1.5rem,1.1rem + 1.6vw,2.1rem);line-height:1.2;margin:0 0 .3rem;letter-spacing:-.015em;
overflow-wrap:anywhere}
h2{font-size:1.25rem;line-height:1.3;margin:0 0 .5rem;letter-spacing:-.01em}
h3{font-size:1rem;margin:1.6rem 0 .4rem}
p{margin:.4rem 0 .9rem;max-width:72ch}
.lead,.soft,figcaption{color:var(--soft)}
a{color:var(--link);text-underline-offset:2px}
nav ol{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;padding:.8rem 0;margin:1.2rem 0 0;
border-block:1px solid var(--line);font-size:.94rem}
section{padding:30px 0 18px;border-bottom:1px solid var(--line)}
section:last-child{border-bottom:0}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr));gap:18px 22px;
margin:14px 0;align-items:start}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,460px),1fr));gap:6px 40px}
.sides{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:0 34px;align-items:start}
.sides table{font-size:.82rem}.sides th,.sides td{padding-right:.55rem}
.sides .facts,.sides .pairs{grid-template-columns:minmax(0,1fr)}
@media (max-width:820px){.sides{grid-template-columns:minmax(0,1fr)}}
.films{display:flex;flex-wrap:wrap;gap:10px 14px;margin:8px 0}
.films figure{flex:0 1 128px;min-width:84px}
.rollout{display:grid;grid-template-columns:5.2rem minmax(0,1fr);gap:5px 8px;align-items:center;
font-size:.875rem;color:var(--soft)}
.rollout img{width:100%}
figure{margin:0;min-width:0;max-width:520px}
figure.wide{max-width:none}
figcaption{font-size:.875rem;line-height:1.45;margin-top:.35rem}
.keys{display:flex;flex-wrap:wrap;gap:.1rem .9rem;margin-top:.15rem}
.key{display:inline-flex;align-items:center;gap:.4rem}
.swatch{width:.8rem;height:.8rem;border-radius:3px;background:currentColor;flex:none}
.plot{display:block;width:100%;height:auto;font-size:12px;font-family:inherit}
.plot text{fill:var(--soft);font-variant-numeric:tabular-nums}
.plot .note{fill:var(--fg);font-size:11px;stroke:var(--card);stroke-width:3;paint-order:stroke}
.grid>figure>svg{background:var(--card);border:1px solid var(--line);border-radius:8px}
.axis{fill:none;stroke:var(--soft);stroke-width:1}
path.grid{fill:none;stroke:var(--grid);stroke-width:1}
.rule{fill:none;stroke:var(--fg);stroke-width:1;stroke-dasharray:4 3;opacity:.75}
.line{fill:none;stroke:currentColor;stroke-width:1.9;stroke-linejoin:round;stroke-linecap:round}
.dashed{stroke-dasharray:5 4}
.dots{fill:none;stroke:currentColor;stroke-width:3.6;stroke-linecap:round;stroke-opacity:.5}
.dots.large{stroke-width:7;stroke-opacity:1}
.area{fill:currentColor;fill-opacity:.22;stroke:currentColor;stroke-width:1.4}
.s1{color:var(--s1)}.s2{color:var(--s2)}.s3{color:var(--s3)}.s4{color:var(--s4)}
.c0{color:#4353b8}.c1{color:#3a6fc0}.c2{color:#2d8ab8}.c3{color:#2b9f98}.c4{color:#4aad72}.c5{color:#8fae45}
.c6{color:#cd9c35}.c7{color:#e07b39}
.dots.c0,.dots.c1,.dots.c2,.dots.c3,.dots.c4,.dots.c5,.dots.c6,.dots.c7{stroke-opacity:.85}
.ramp{display:inline-block;width:7rem;height:.7rem;border-radius:3px;vertical-align:-1px;
background:linear-gradient(90deg,#4353b8,#2d8ab8,#4aad72,#cd9c35,#e07b39)}
.scroll{overflow-x:auto;margin:.8rem 0 1.1rem;max-width:100%}
.scroll:focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:collapse;font-size:.93rem;font-variant-numeric:tabular-nums}
th,td{padding:.38rem .9rem .38rem 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
thead th{color:var(--soft);font-weight:600;white-space:nowrap;vertical-align:bottom}
tbody th{font-weight:500;min-width:5.5rem}
td.n,th.n{text-align:right;white-space:nowrap}
.facts td{overflow-wrap:anywhere;min-width:9rem}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));gap:0 40px}
.verdict{list-style:none;margin:0;padding:0;max-width:88ch}
.verdict li{display:grid;grid-template-columns:6.6rem minmax(0,1fr);gap:0 12px;padding:.45rem .7rem;
border-left:4px solid;border-bottom:1px solid var(--line)}
.verdict p{margin:0;max-width:none}
.verdict .mark{font-weight:600;white-space:nowrap}
.verdict .good{border-left-color:var(--good)}.verdict .good .mark{color:var(--good)}
.verdict .poor{border-left-color:var(--poor);background:var(--poorbg)}.verdict .poor .mark{color:var(--poor)}
.verdict .unclear{border-left-color:var(--warn)}.verdict .unclear .mark{color:var(--warn)}
@media (max-width:560px){.verdict li{grid-template-columns:minmax(0,1fr)}}
.missing{background:var(--warnbg);color:var(--warn);border-radius:8px;padding:.7rem .9rem;max-width:72ch}
img{display:block;max-width:100%;height:auto;image-rendering:pixelated;border-radius:4px;background:#fff}
pre{white-space:pre-wrap;overflow-wrap:anywhere}
footer{padding-block:24px 48px;color:var(--soft);font-size:.875rem}
@page{margin:14mm 12mm}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff;--fg:#111;--soft:#444c54;--line:#c9cdcc;
--grid:#e4e7e5;--s1:#1f5fbf;--s2:#b3361f;--s3:#237a47;--s4:#7a4fb0;--link:#1f5fbf;--warn:#7a4900;--warnbg:#fff;
--good:#1d6b3c;--poor:#a82c17;--poorbg:#fff}
*{position:static!important;print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{font-size:10.5pt}header,main,footer{max-width:none;padding:0}header{padding-top:0}
section{padding:14pt 0 8pt}nav{display:none}.scroll{overflow:visible}
h1,h2,h3,thead{break-after:avoid}p{orphans:3;widows:3}
figure,tr,.verdict li,.rollout,.pairs>div,.missing{break-inside:avoid}
.grid{grid-template-columns:repeat(3,minmax(0,1fr))}.sides{grid-template-columns:minmax(0,1fr)}
.pairs{grid-template-columns:1fr 1fr;gap:6px 24px}.missing{border:1px solid var(--warn)}
table,.sides table{font-size:9pt}td.n,th.n,thead th{white-space:normal}
.facts,.sides .facts{grid-template-columns:1fr 1fr}.sides .pairs{grid-template-columns:1fr 1fr}}
""".strip()
