"""The description of the controls as one HTML page without anything from elsewhere.

Belongs here: how it looks. Does not belong here: what it says (``control_document``).
"""

from __future__ import annotations

import html
import json
import re

from catalyst_assets.simulator.faults.table import KINDS, VENDORS, shown
from catalyst_assets.simulator.routes.control_document import EXAMPLES, OPERATIONS, PREFIX, SCHEMAS

_NAME = re.compile("`([^`]+)`")
_STYLE = """
:root{--ink:#1d2430;--soft:#5b6675;--line:#dfe4ea;--paper:#fff;--tint:#f5f7fa;--get:#0b6e4f;--post:#8a4b08;--delete:#9b1c31}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa7b8;--line:#2c3644;--paper:#12171f;--tint:#1a212c;
--get:#5fd3a8;--post:#f0b35d;--delete:#f08a9b}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 24px 80px}h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:40px 0 8px}
p{margin:4px 0 10px;color:var(--soft)}section{border:1px solid var(--line);border-radius:8px;margin:12px 0;padding:12px 16px}
section h3{font-size:15px;margin:0;display:flex;gap:12px;align-items:baseline;flex-wrap:wrap}code,pre{font:13px/1.45 ui-monospace,monospace}
.m{font-weight:700;min-width:60px}.GET{color:var(--get)}.POST{color:var(--post)}.DELETE{color:var(--delete)}
.s{font-weight:400;color:var(--soft)}table{border-collapse:collapse;width:100%;font-size:13.5px}
th,td{text-align:left;vertical-align:top;padding:7px 10px;border-top:1px solid var(--line)}th{color:var(--soft);font-weight:600}
pre{background:var(--tint);border-radius:6px;padding:10px 12px;overflow:auto;margin:6px 0}.wide{overflow-x:auto}
td code{white-space:nowrap}
"""


def readable_page() -> str:
    """The controls as one HTML page without anything from elsewhere."""
    say = html.escape
    sections = []
    for operation in OPERATIONS:
        parts = [
            f'<h3><span class="m {operation.method}">{operation.method}</span><code>{PREFIX}{say(operation.path)}</code>'
            f'<span class="s">{say(operation.summary)}</span></h3>'
        ]
        if operation.description:
            parts.append(f"<p>{say(operation.description)}</p>")
        for name, schema in operation.query.items():
            parts.append(
                f"<p><code>?{name}=</code> {say(schema['description'])} (default {json.dumps(schema['default'])})</p>"
            )
        if operation.body:
            parts.append(_body_table(operation.body))
            parts.append(f"<pre>{say(json.dumps(EXAMPLES[operation.body], indent=1))}</pre>")
        for status, words in operation.problems.items():
            parts.append(f"<p><code>{status}</code> {say(words)}; <code>message</code> says why.</p>")
        sections.append(f"<section>{''.join(parts)}</section>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Simulator controls</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>The simulated market: controls</h1>"
        "<p>No authentication: for the local machine. The same as a document: "
        '<a href="openapi.json">openapi.json</a></p>'
        f"<h2>Operations</h2>{''.join(sections)}<h2>Faults</h2>{_fault_table()}</main></body></html>"
    )


def _body_table(name: str) -> str:
    schema = SCHEMAS[name] if name != "ArmFault" else SCHEMAS["FaultRule"]["oneOf"][0]
    rows = []
    for key, value in schema["properties"].items():
        words = {
            "fault": "a name of the table below",
            "vendor": ", ".join(VENDORS),
            "parameters": "see the table below",
        }.get(key, value.get("description", ""))
        rows.append(f"<tr><td><code>{key}</code></td><td>{html.escape(str(words))}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def _text(words: str) -> str:
    """Words as HTML, names in back quotes as code."""
    return _NAME.sub(r"<code>\1</code>", html.escape(words))


def _fault_table() -> str:
    rows = []
    for kind in KINDS.values():
        listed = "<br>".join(f"<code>{p.name} = {shown(p.default)}</code> {_text(p.meaning)}" for p in kind.parameters)
        where = "" if kind.vendors == VENDORS else f"<br><span class=s>{', '.join(kind.vendors)}</span>"
        rows.append(
            f"<tr><td><code>{kind.name}</code>{where}</td><td>{kind.phase}</td><td>{_text(kind.does)}</td>"
            f"<td>{_text(kind.expected)}</td><td>{listed}</td></tr>"
        )
    head = (
        "<tr><th>fault</th><th>strikes</th><th>what happens</th><th>expected of a client</th><th>parameters</th></tr>"
    )
    return f'<div class="wide"><table>{head}{"".join(rows)}</table></div>'
