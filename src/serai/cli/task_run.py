"""``serai task run``: enqueue by name, and wait for it if asked."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from serai.api.client import segment
from serai.cli import task_watch
from serai.cli.terminal import Terminal
from serai.errors import InvalidError
from serai.services.terminal import DryRunOption, JsonOption, TenantOption

Words = Annotated[list[str] | None, typer.Argument(help="KEY=VALUE…, values as JSON or text; or the command's words.")]


def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A function: module:function of an app, or one of the platform's.")],
    words: Words = None,
    *,
    tenant: TenantOption = None,
    app: Annotated[str | None, typer.Option(help="The app whose work it is.")] = None,
    command: Annotated[bool, typer.Option("--command", help="NAME and the words are a command of the app.")] = False,
    arguments: Annotated[str | None, typer.Option(help="All arguments as JSON.")] = None,
    release: Annotated[int, typer.Option(help="Run it in this release; 0 is the live one.")] = 0,
    channel: Annotated[str, typer.Option(help="Run it after all others of this channel.")] = "",
    priority: Annotated[int, typer.Option(min=-1000, max=1000)] = 0,
    delay: Annotated[float, typer.Option(min=0, help="Seconds until it may start.")] = 0.0,
    deadline: Annotated[float, typer.Option(help="Seconds that it may run.")] = 600.0,
    retries: Annotated[int, typer.Option(min=0, max=1000)] = 0,
    provider: Annotated[str, typer.Option(help="The remote party that it depends on.")] = "",
    key: Annotated[str, typer.Option(help="A second task with this key is the first one.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Return when it is over, with its result.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Show its log and progress until it is over.")] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Enqueue a task, and print its ID; with --wait or --follow see it to its end."""
    terminal: Terminal = ctx.obj
    body = {
        "channel": channel, "priority": priority, "delay": delay, "deadline": deadline, "retries": retries,
        "provider": provider, "key": key,
    }  # fmt: skip
    if app is None:
        if command or release:
            raise InvalidError("Whose command is it? Say --app.", path="app")
        body |= {"function": name, "arguments": values(words or [], arguments), "tenant": tenant or ""}
        path = "/v1/tasks"
    else:
        body |= _work(name, words or [], arguments, command=command) | {"release": release}
        path = f"/v1/apps/{segment(terminal.tenant(tenant))}/{segment(app)}/tasks"
    if dry_run:
        terminal.note(f"Would run {name} with {json.dumps(body, ensure_ascii=False)}.")
        return
    answer = terminal.api.call("POST", path, body)
    task = str(answer["id"] if "id" in answer else answer["tasks"][0])
    if not (wait or follow):
        terminal.result({"id": task}, task, as_json=as_json)
        return
    told = task_watch.one(terminal, task, as_json=False, quiet=not follow)
    terminal.result(told, json.dumps(told["result"], ensure_ascii=False), as_json=as_json)
    terminal.end(told)


def _work(name: str, words: list[str], arguments: str | None, *, command: bool) -> dict[str, Any]:
    if command:
        return {"argv": [name, *words], "arguments": None if arguments is None else parse(arguments)}
    return {"call": name, "kwargs": values(words, arguments)}


def values(words: list[str], arguments: str | None) -> dict[str, Any]:
    """Return arguments given as KEY=VALUE words, over those given as one JSON object."""
    found = {} if arguments is None else parse(arguments)
    if not isinstance(found, dict):
        raise InvalidError("Arguments are a JSON object.", path="arguments")
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise InvalidError(f"{word[:100]!r} is not KEY=VALUE.", path="arguments")
        try:
            found[name] = json.loads(text)
        except (ValueError, RecursionError):
            found[name] = text
    return found


def parse(text: str) -> Any:
    """Return what a JSON text says, or raise `InvalidError`."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"That is not JSON: {error}.", path="arguments") from None
