"""`forewarn schema`: the JSON Schema of the lines that forewarn writes."""

from __future__ import annotations

import rich_click as click

from forewarn.cli.commands import Command


@click.command("schema", cls=Command)
def command() -> int:
    """Print the JSON Schema (draft 2020-12) of the JSON lines of `scan`, `watch`, `explain` and `rules match`.

    \b
    forewarn schema > forewarn.schema.json
    forewarn schema | jq '."$defs".Alert.properties | keys'
    """
    import msgspec

    from forewarn.findings import json_schema

    click.echo(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2))
    return 0
