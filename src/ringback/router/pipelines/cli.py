"""`router-control pipelines …`: messages through a pipeline, for real or on trial."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
import typer

from ringback import answers, terminal
from ringback.answers import AsForm, Form
from ringback.api.client import Asked
from ringback.documents import read_object
from ringback.kit.errors import Failure, Fault, InvalidJsonBody, ValidationFailed
from ringback.kit.reading import object_of
from ringback.router.control import ROOT, Way, one, with_way

app = terminal.new_app("Pipelines: messages go through the router extensions of a policy.")

RAN: Final = ("step", "type", "id", "status", "reason", "ms", "attempts")
TRIED: Final = ("step", "stage", "id", "status", "error", "ms", "attempts", "changes")

Policy = Annotated[str | None, typer.Argument(help="which policy", metavar="POLICY", show_default=False)]
Text = Annotated[str | None, typer.Option("--text", help="the message, where it is a text and nothing else")]
Json = Annotated[str | None, typer.Option("--message_json", help="the message, a JSON object")]
ContextJson = Annotated[str | None, typer.Option("--context_json", help="its context, a JSON object")]
File = Annotated[
    str | None,
    typer.Option("--file", help="the whole request as JSON or YAML, - is standard input; flags go over it"),
]
Deadline = Annotated[int | None, typer.Option("--deadline_ms", help="milliseconds that all of it may take")]
Trace = Annotated[str | None, typer.Option("--trace_id", help="what its trace is called")]
Customer = Annotated[
    str | None, typer.Option("--customer_id", help="whose, for the platform's operator", metavar="UUID")
]


@app.command()
@with_way
def run(
    way: Way,
    policy: Policy = None,
    text: Text = None,
    message_json: Json = None,
    context_json: ContextJson = None,
    file: File = None,
    deadline_ms: Deadline = None,
    trace_id: Trace = None,
    customer_id: Customer = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Run a message through a policy's pipeline.

    With --local it runs in this process: over NATS where that is set, else with the built-in workers.

    Exit code 5 is a message that a validator has blocked, or a key that may not run it; 6 is no answer in time.
    """
    body = fields(file, policy, text, message_json, context_json, deadline_ms=deadline_ms, trace_id=trace_id)
    try:
        done = one(way, asked("run", body, customer_id))
    except Failure as failure:
        if trace := _trace(failure):
            _show_steps([_ran(*line) for line in enumerate(trace, 1)], dict(failure.more), format, RAN)
        if failure.more:
            _explain(failure)
        raise
    _show_steps([_ran(*line) for line in enumerate(done["executed_extensions"], 1)], done, format, RAN)
    if format is Form.TABLE and done["reply"]:
        terminal.say(f"{done['reply']['provider_id']}: {_told(done['reply']['output'])}")
    elif format is Form.TABLE:
        terminal.say(_told(done["message"].get("payload", done["message"])))


@app.command("dry-run")
@with_way
def dry_run(
    way: Way,
    policy: Policy = None,
    text: Text = None,
    message_json: Json = None,
    context_json: ContextJson = None,
    document: Annotated[
        str | None, typer.Option("--document", help="a policy's document as JSON or YAML instead", metavar="FILE")
    ] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="mock (default), none or real")] = None,
    file: File = None,
    deadline_ms: Deadline = None,
    trace_id: Trace = None,
    customer_id: Customer = None,
    format: AsForm = Form.TABLE,
) -> None:
    """Try what a run would do: all but the provider are really asked, and told that it is a dry run."""
    more = {"deadline_ms": deadline_ms, "trace_id": trace_id, "provider": provider}
    body = fields(file, policy, text, message_json, context_json, **more)
    if document:
        body["policy"] = read_object(document, "--document")
    if ("policy" in body) is ("policy_id" in body):
        raise ValidationFailed(Fault("document", "is to be given, or POLICY: one of them"))
    try:
        done = one(way, asked("dry_run", body, customer_id))
    except Failure as failure:
        failure.faults = tuple(map(_of_document, failure.faults))
        raise
    _show_steps([_tried(*step) for step in enumerate(done["steps"], 1)], done, format, TRIED)
    if format is Form.TABLE and done["error"]:
        who = f" ({done['blocked_by']})" if done["blocked_by"] else ""
        terminal.say(f"it would fail{who}: {done['error']['reason']}: {done['error']['message']}")
    elif format is Form.TABLE:
        terminal.say(_told(done["final_payload"].get("payload", done["final_payload"])))


def fields(
    file: str | None, policy: str | None, text: str | None, message: str | None, context: str | None, **more: Any
) -> dict[str, Any]:
    """What the file and the flags say, as a request has it."""
    if text is not None and message is not None:
        raise ValidationFailed(Fault("text", "does not go with --message_json"))
    given = {"policy_id": policy, **more}
    if text is not None:
        given["message"] = {"payload": text}
    for name, json in (("message", message), ("context", context)):
        if json is not None:
            given[name] = _object(f"{name}_json", json)
    said = {name: value for name, value in given.items() if value is not None}
    body = {**(read_object(file) if file else {}), **said}
    if not {"message", "payload"} & body.keys():
        raise ValidationFailed(Fault("text", "is required, or --message_json, or a message in --file"))
    return body


def asked(verb: str, body: Mapping[str, Any], customer_id: str | None) -> Asked:
    query = {"customer_id": customer_id} if customer_id else {}
    return Asked("POST", f"{ROOT}/pipelines:{verb}", query, msgspec.json.encode(body))


def _of_document(fault: Fault) -> Fault:
    """The flag of a document is called so, whatever the request calls it."""
    first, rest = fault.field[:6], fault.field[6:]
    return fault._replace(field="document" + rest) if first == "policy" and rest[:1] in ("", ".", "[") else fault


def _object(flag: str, json: str) -> dict[str, object]:
    try:
        return object_of(json.encode())
    except InvalidJsonBody as failure:
        told = "is nested too deeply" if failure.told else "must be a JSON object"
        raise ValidationFailed(Fault(flag, told)) from None


def _explain(failure: Failure) -> None:
    """Say in the sentence what a validator has found: it is no flag that is wrong."""
    found = ", ".join(f"{fault.field} {fault.description}" for fault in failure.faults)
    failure.told, failure.faults = f"{failure.sentence} ({found})" if found else failure.sentence, ()


def _trace(failure: Failure) -> list[Any]:
    """The steps that a failed run tells of."""
    run = failure.more.get("run")
    trace = run.get("executed_extensions") if isinstance(run, Mapping) else None
    return trace if isinstance(trace, list) else []


def _show_steps(
    rows: Sequence[Mapping[str, object]], whole: Mapping[str, Any], form: Form, columns: Sequence[str]
) -> None:
    if form is Form.TABLE:
        answers.show_rows(rows, columns, "Steps")
    else:
        answers.show(whole, form)


def _ran(number: int, line: Mapping[str, Any]) -> dict[str, object]:
    return {**line, "step": number, "ms": f"{line['latency_ms']:.1f}"}


def _tried(number: int, step: Mapping[str, Any]) -> dict[str, object]:
    error, changes = step["error"], ", ".join(one["path"] for one in step["diff"])
    return {
        **step,
        "step": number,
        "ms": f"{step['latency_ms']:.1f}",
        "error": error and _told(f"{error['reason']}: {error['message']}"),
        "changes": changes or ("not asked" if step["status"] == "skipped" else ""),
    }


def _told(value: Any) -> str:
    """A text as it is, anything else as JSON; no character of it moves the cursor."""
    return terminal.CONTROLS.sub("\ufffd", value if isinstance(value, str) else msgspec.json.encode(value).decode())
