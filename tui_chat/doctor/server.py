"""The server: is it found, does it answer, does it take the key. Asked with `GET /v1/models`, which costs nothing.

It goes through the engine's own client, so proxies, certificates and credentials are those that a prompt would meet. No message
is sent. The demo is started for it.
"""

import asyncio
import ipaddress
import socket
import time
import urllib.request
from typing import Final
from urllib.parse import urlsplit

from tui_chat.config import Config
from tui_chat.doctor.report import Report
from tui_chat.engine.client import ApiClient, ModelInfo
from tui_chat.errors import Failure, RequestError
from tui_chat.prices import ANTHROPIC_HOST

PATIENCE: Final = 45.0  # seconds for all of it: a token that has to be fetched first takes its time
_NAME_PATIENCE: Final = 10.0  # seconds for a name
_BUSY: Final = (429, 529, 503)


async def check_server(report: Report, config: Config) -> None:
    """Name, connection, encryption, and the list of models, each with its time."""
    if config.demo:
        from tui_chat.demo import DemoServer  # here: only the demo needs it

        demo = await asyncio.to_thread(DemoServer().start_in_thread)
        try:
            report.ok("server", "the built-in demo")
            await _check_models(report, config, demo.base_url)
        finally:
            await asyncio.to_thread(demo.stop)
        return
    url = config.base_url or f"https://{ANTHROPIC_HOST}"
    parts = urlsplit(url)
    host = parts.hostname or ""
    report.ok("server", f"{parts.scheme}://{config.server}{parts.path}", private=[parts.path] if parts.path else [])
    proxy = _proxy(parts.scheme, host)
    if proxy:
        report.ok("proxy", f"by {proxy}")
    elif not await _check_name(report, host, parts.port or (443 if parts.scheme == "https" else 80)):
        return
    await _check_models(report, config, None)


def _proxy(scheme: str, host: str) -> str:
    """The name of the variable, or the setting, that sends requests to `host` through a proxy; '' for none."""
    proxies = urllib.request.getproxies()
    if urllib.request.proxy_bypass(host) or host in ("localhost", "127.0.0.1", "::1"):
        return ""
    name = scheme if scheme in proxies else "all" if "all" in proxies else ""
    return f"{name.upper()}_PROXY or the system's settings" if name else ""


async def _check_name(report: Report, host: str, port: int) -> bool:
    """Whether `host` has an address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return True  # it is one
    report.working(f"looking up {host}")
    started = time.monotonic()
    loop = asyncio.get_running_loop()
    try:
        found = await asyncio.wait_for(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), _NAME_PATIENCE)
    except (OSError, UnicodeError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or "no answer in time"
        advice = "check the network and its name servers (DNS), and the base URL"
        report.problem("name", f"{host} has no address ({reason})", advice, private=[host])
        return False
    families = sorted({"IPv6" if family == socket.AF_INET6 else "IPv4" for family, *_ in found})
    report.ok("name", f"found in {_time(time.monotonic() - started)} ({', '.join(families)})")
    return True


async def _check_models(report: Report, config: Config, base_url: str | None) -> None:
    report.working("loading the SDK")
    client = ApiClient(config, base_url)
    steps: dict[str, float] = {}

    def step(name: str, at: float) -> None:
        steps.setdefault(name.rpartition(".")[0].rpartition(".")[2] + "." + name.rpartition(".")[2], at)

    try:
        async with asyncio.timeout(PATIENCE):
            await client.ready()
            report.working("asking for the models")
            started = time.monotonic()
            models = await client.models(step)
    except TimeoutError:
        _say_steps(report, steps)
        report.problem("answer", f"none in {PATIENCE:.0f} s", "check the network and the base URL")
    except RequestError as error:
        _say_steps(report, steps)
        _say_failure(report, config, error.failure)
    else:
        _say_steps(report, steps)
        report.ok("GET /v1/models", f"{len(models)} models in {_time(time.monotonic() - started)}")
        _check_model(report, config, models)
    finally:
        await client.close()


def _say_steps(report: Report, steps: dict[str, float]) -> None:
    for name, key in (
        ("connection", "connect_tcp"),
        ("encryption", "start_tls"),
        ("first byte", "receive_response_headers"),
    ):
        begun, done = steps.get(f"{key}.started"), steps.get(f"{key}.complete")
        if begun is not None and done is not None:
            report.ok(name, f"after {_time(done - begun)}")


def _say_failure(report: Report, config: Config, failure: Failure) -> None:
    # What a server says, or a file of credentials, may be anything; what the connection says is the system's own words.
    foreign = failure.status is not None or failure.type == "no_key"
    private = [failure.message.strip().removesuffix(".")] if foreign else []
    advice = failure.advice or "check the base URL"
    if "CERTIFICATE_VERIFY_FAILED" in failure.message:
        advice = "check the clock; behind a company's proxy set SSL_CERT_FILE to the file with its certificate"
    sentence = failure.sentence.removesuffix(f"; {failure.advice}")
    if failure.status in _BUSY:
        report.note("answer", f"it is there, but busy: {sentence}", "try again in a moment", private=private)
    elif failure.status in (404, 405, 501) and config.server != ANTHROPIC_HOST:
        text = "it has no list of models; whether it speaks the Messages API, only a prompt can tell"
        report.note("answer", f"{text} ({failure.status})")
    elif failure.type == "not_a_stream" and failure.status is None and config.server != ANTHROPIC_HOST:
        report.note("answer", "its list of models cannot be read; context windows and efforts stay unknown")
    else:
        report.problem("answer", sentence, advice, private=private)


def _check_model(report: Report, config: Config, models: list[ModelInfo]) -> None:
    names = [info.id for info in models]
    # A dated id goes by its name without the date as well.
    if config.model in names or any(name.startswith(f"{config.model}-") for name in names):
        report.ok("model", config.model)
    elif names:
        advice = "choose one with --model, ANTHROPIC_MODEL or `model` in the config file; /model lists them"
        report.note("model", f"{config.model} is not in the server's list", advice)


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
