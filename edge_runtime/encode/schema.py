"""The JSON Schema of all payloads, made from the types in `payloads` and `kinds`.

`scripts/schema` writes it to `schema-v1.json`, where subscribers find it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from edge_runtime import SCHEMA_VERSION
from edge_runtime.encode.kinds import WIRE_KINDS
from edge_runtime.encode.kinds.base import ArrayForm
from edge_runtime.encode.payloads import OF_DEVICE, WirePayload

NULL = {"type": "null"}
DESCRIPTION = (
    "The last level of a topic names the definition that its JSON payload fits. Fields may be "
    "added within a version; ignore those you don't know."
)


def schema() -> dict[str, Any]:
    """Return one definition a kind, and those of what they hold, in the form of JSON Schema."""
    definitions = {definition_name(one): definition(one, part) for one, part in parts().items()}
    for name, kind in WIRE_KINDS.items():
        if kind.array is not None:
            definitions[name] = array_definition(kind.payload, kind.array)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:edge-runtime:schema:{SCHEMA_VERSION}",
        "title": f"edge-runtime results, schema version {SCHEMA_VERSION}",
        "description": DESCRIPTION,
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """Return what stands in `schema-v1.json`."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def parts() -> dict[type[WirePayload], dict[str, Any]]:
    """Return each payload's type, and all that it holds, with its part of a schema."""
    kinds = WIRE_KINDS.values()
    types = [*OF_DEVICE.values(), *(kind.payload for kind in kinds)]
    types += [kind.array.further for kind in kinds if kind.array is not None]
    _, found = msgspec.json.schema_components(types, ref_template="{name}")
    return {one: found[one.__name__] for one in subtypes(WirePayload) if one.__name__ in found}


def subtypes(root: type[WirePayload]) -> list[type[WirePayload]]:
    """Return all types of payloads below one."""
    return [one for child in root.__subclasses__() for one in (child, *subtypes(child))]


def definition_name(payload: type[WirePayload]) -> str:
    """Return the name of a definition: `SummaryLinePayload` is `summary_line`."""
    words = re.findall("[A-Z][a-z0-9]*", payload.__name__.removesuffix("Payload"))
    return "_".join(words).lower()


def definition(payload: type[WirePayload], part: dict[str, Any]) -> dict[str, Any]:
    """Return a type's definition without what msgspec adds, with its notes."""
    properties = {name: tidied(value) for name, value in part.pop("properties").items()}
    return {**tidied(part), "properties": properties, **payload.NOTES}


def array_definition(first: type[WirePayload], form: ArrayForm) -> dict[str, Any]:
    """Return the definition of a kind whose payload is an array."""
    return {
        "description": form.description,
        "type": "array",
        "minItems": 1,
        "maxItems": form.most_items,
        "prefixItems": [reference(first)],
        "items": reference(form.further),
    }


def reference(payload: type[WirePayload]) -> dict[str, str]:
    return {"$ref": f"#/$defs/{definition_name(payload)}"}


def tidied(part: Any) -> Any:
    """Return a part without titles and defaults, its references by our names."""
    if isinstance(part, list):
        return [tidied(one) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        named = {one.__name__: one for one in subtypes(WirePayload)}
        return {**part, **reference(named[part["$ref"]])}
    if (choices := part.get("anyOf")) and NULL in choices:  # we leave a field out instead
        (part,) = [one for one in choices if one != NULL]
        return tidied(part)
    return {key: tidied(value) for key, value in part.items() if key not in ("title", "default")}
