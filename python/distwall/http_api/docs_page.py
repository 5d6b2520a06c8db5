"""The API's reference as one page of HTML, made from its OpenAPI description: no scripts, no content from elsewhere."""

from collections.abc import Iterator
from html import escape
from typing import Any

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h2 { font: 600 1rem ui-monospace, monospace; border-top: 1px solid #ddd; padding-top: 1rem; margin: 1.5rem 0 .3rem }
.method { display: inline-block; width: 4rem; color: #06c }
table { border-collapse: collapse } td { padding: .1rem 1rem .1rem 0; vertical-align: top }
code { font-family: ui-monospace, monospace }
@media (prefers-color-scheme: dark) { body { background: #111; color: #ddd } h2 { border-color: #333 } }
"""


def render(openapi: dict[str, Any]) -> str:
    """The page."""
    title = escape(f"{openapi['info']['title']} {openapi['info']['version']}")
    body = "".join(
        _operation(openapi, path, method, operation)
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head>"
        f"<body><h1>{title}</h1><p>{escape(openapi['info'].get('description', ''))}</p>"
        f'<p>For programs: <a href="/v1/openapi.json">openapi.json</a></p>{body}</body></html>'
    )


def _operation(openapi: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{escape(about)}</td></tr>"
        for name, kind, about in _parameters(openapi, operation)
    )
    return (
        f'<h2><span class="method">{escape(method.upper())}</span>{escape(path)}</h2>'
        f"<p>{escape(operation.get('description', ''))}</p>{f'<table>{rows}</table>' if rows else ''}"
    )


def _parameters(openapi: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for each in operation.get("parameters", ()):
        yield each["name"], _kind(each["schema"]), each.get("description", "")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in body:
        schema = openapi["components"]["schemas"][body["$ref"].rpartition("/")[2]]
        for name, each in schema["properties"].items():
            optional = "" if name in schema.get("required", ()) else ", optional"
            yield name, _kind(each) + optional, each.get("description", "")


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    return str(schema.get("type", "any"))
