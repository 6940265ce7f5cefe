"""Configuration: flag > environment > file > default, and what a broken one says."""

import json
import os
from pathlib import Path

import pytest

from tui_chat.config import (
    DEFAULT_MODEL,
    TOOL_NAMES,
    Config,
    Flags,
    Timeouts,
    credentials_present,
    credentials_source,
    load,
    usual_config_file,
)
from tui_chat.engine.tools import standard_tools
from tui_chat.errors import UsageError

KEY = {"ANTHROPIC_API_KEY": "sk-test"}
FEDERATION = {
    "ANTHROPIC_IDENTITY_TOKEN": "t",
    "ANTHROPIC_FEDERATION_RULE_ID": "r",
    "ANTHROPIC_ORGANIZATION_ID": "o",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the user's config file is looked for."""
    path = tmp_path / "home" / ".config" / "tui-chat" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def loaded(text: str, file: Path, **environ: str) -> Config:
    file.write_text(text)
    return load(Flags(), environ)


def refused(text: str, file: Path) -> str:
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        load(Flags(), {})
    return caught.value.sentence


# Where a value comes from -----------------------------------------------------------------------------------------------


def test_defaults(tmp_path: Path) -> None:
    settings = load(Flags(), KEY)
    assert settings.model == DEFAULT_MODEL
    assert (settings.system, settings.max_tokens, settings.base_url, settings.theme) == (None, None, None, None)
    assert settings.timeouts == Timeouts(connect=10.0, first_byte=600.0, idle=120.0, content=0.0, approval=600.0)
    assert (settings.effort, settings.effort_chosen, settings.thinking, settings.caching) == (None, False, True, True)
    assert (settings.tools, settings.allow_tools, settings.tools_root) == (False, frozenset(), Path.cwd())
    assert settings.data_dir == tmp_path / "home" / ".local" / "share" / "tui-chat"
    assert settings.config_file == tmp_path / "home" / ".config" / "tui-chat" / "config.toml"


@pytest.mark.parametrize(
    ("flag", "variable", "entry", "expected"),
    [
        ("flag", "variable", "entry", "flag"),
        (None, "variable", "entry", "variable"),
        (None, None, "entry", "entry"),
        (None, "", "entry", "entry"),
        (None, None, None, DEFAULT_MODEL),
    ],
)
def test_the_model(file: Path, flag: str | None, variable: str | None, entry: str | None, expected: str) -> None:
    file.write_text(f'model = "{entry}"' if entry else "")
    environ = {} if variable is None else {"ANTHROPIC_MODEL": variable}
    assert load(Flags(model=flag), environ).model == expected


@pytest.mark.parametrize(
    ("flag", "variable", "entry", "expected"),
    [
        ("flag", "/variable", "/entry", "flag"),
        (None, "/variable", "/entry", "/variable"),
        (None, None, "/entry", "/entry"),
        (None, None, "~/entry", "~/entry"),
    ],
)
def test_the_data_directory(file: Path, flag: str | None, variable: str | None, entry: str, expected: str) -> None:
    file.write_text(f'data_dir = "{entry}"')
    environ = {} if variable is None else {"TUI_CHAT_DATA_DIR": variable}
    settings = load(Flags(data_dir=Path(flag) if flag else None), environ)
    assert settings.data_dir == Path(expected).expanduser().absolute()


def test_the_base_url(file: Path) -> None:
    file.write_text('base_url = "http://file:1"')
    environ = {"ANTHROPIC_BASE_URL": "http://variable:1"}
    assert load(Flags(base_url="http://flag:1"), environ).base_url == "http://flag:1"
    assert load(Flags(), environ).base_url == "http://variable:1"
    assert load(Flags(), {}).base_url == "http://file:1"


def test_all_keys_of_the_file(file: Path) -> None:
    settings = loaded(
        'model = "m"\nsystem = "s"\nmax_tokens = 5\ntheme = "nord"\nescape_wait_ms = 8\n'
        'effort = "low"\nthinking = false\ncaching = false\ntools = true\n'
        'allow_tools = ["calculator", "current_time"]\ntools_root = "~/notes"\ntitles = "model"\n'
        '[timeouts]\nconnect = 1\nidle = 0\n[keys]\nquit = "ctrl+x"\n',
        file,
    )
    assert (settings.model, settings.system, settings.max_tokens) == ("m", "s", 5)
    assert (settings.theme, settings.escape_wait_ms, settings.keys) == ("nord", 8, {"quit": "ctrl+x"})
    assert (settings.effort, settings.effort_chosen, settings.thinking, settings.caching) == (
        "low",
        False,
        False,
        False,
    )
    assert (settings.tools, settings.allow_tools) == (True, frozenset({"calculator", "current_time"}))
    assert settings.tools_root == Path.home() / "notes"
    assert settings.titles == "model"
    assert settings.timeouts == Timeouts(connect=1.0, first_byte=600.0, idle=0.0)


def test_flags_over_the_file(file: Path) -> None:
    file.write_text('system = "file"\nmax_tokens = 5\ntheme = "nord"')
    settings = load(Flags(system="flag", max_tokens=9, theme="dracula"), {"TEXTUAL_THEME": "gruvbox"})
    assert (settings.system, settings.max_tokens, settings.theme) == ("flag", 9, "dracula")
    assert load(Flags(), {"TEXTUAL_THEME": "gruvbox"}).theme == "gruvbox"


def test_nothing_is_read_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    for name in ("config.toml", "tui-chat/config.toml", ".config/tui-chat/config.toml", "tui-chat.toml", ".env"):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('base_url = "http://evil.test"\n')
    monkeypatch.chdir(project)
    assert load(Flags(), KEY).base_url is None


def test_a_config_file_of_ones_choice(tmp_path: Path, file: Path) -> None:
    file.write_text('model = "usual"')
    chosen = tmp_path / "other.toml"
    chosen.write_text('model = "chosen"')
    settings = load(Flags(config=chosen), {})
    assert (settings.model, settings.config_file) == ("chosen", chosen)


# Thinking, caching, tools -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "thinking = true\ncaching = true\neffort = 'low'"])
def test_flags_turn_off_what_the_file_leaves_on(file: Path, text: str) -> None:
    file.write_text(text)
    settings = load(Flags(no_thinking=True, no_caching=True, effort="max"), {})
    assert (settings.thinking, settings.caching) == (False, False)
    assert (settings.effort, settings.effort_chosen) == ("max", True)


def test_an_allowed_tool_turns_the_tools_on() -> None:
    settings = load(Flags(allow_tools=["calculator", "calculator", "read_file"]), {})
    assert (settings.tools, settings.allow_tools) == (True, frozenset({"calculator", "read_file"}))
    asking = load(Flags(tools=True), {})
    assert (asking.tools, asking.allow_tools) == (True, frozenset())


def test_tools_allowed_in_the_file_do_not_turn_them_on_and_give_way_to_flags(file: Path) -> None:
    settings = loaded("allow_tools = ['read_file']", file)
    assert (settings.tools, settings.allow_tools) == (False, frozenset({"read_file"}))
    assert load(Flags(allow_tools=["calculator"]), {}).allow_tools == {"calculator"}
    assert load(Flags(tools=True), {}).allow_tools == {"read_file"}


@pytest.mark.parametrize("names", [["shell"], ["calculator", "Calculator"], [""]])
def test_a_tool_that_is_not_there(names: list[str]) -> None:
    with pytest.raises(UsageError, match="there is no tool") as caught:
        load(Flags(allow_tools=names), {})
    assert all(name in caught.value.sentence for name in TOOL_NAMES)


def test_the_names_of_the_tools_are_those_of_the_engine(tmp_path: Path) -> None:
    assert tuple(tool.name for tool in standard_tools(tmp_path)) == TOOL_NAMES


def test_where_files_may_be_read(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "src").mkdir()
    monkeypatch.chdir(project)
    assert load(Flags(), {}).tools_root == project
    assert load(Flags(tools_root=Path("src")), {}).tools_root == project / "src"
    file.write_text('tools_root = "~/not there yet"')
    assert load(Flags(), {}).tools_root == Path.home() / "not there yet"
    assert load(Flags(tools_root=project), {}).tools_root == project


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for wrong in ("file", "nowhere"):
        with pytest.raises(UsageError, match=f"{wrong} is not a folder"):
            load(Flags(tools_root=tmp_path / wrong), {})


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a working directory from being removed")
def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load(Flags(), {}).tools_root == Path()
    monkeypatch.chdir(tmp_path)


# Titles -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "entry", "expected"),
    [(None, None, "prompt"), (None, "model", "model"), ("prompt", "model", "prompt"), ("model", None, "model")],
)
def test_who_names_conversations(file: Path, flag: str | None, entry: str | None, expected: str) -> None:
    file.write_text(f'titles = "{entry}"' if entry else "")
    assert load(Flags(titles=flag), {}).titles == expected


def test_nobody_else_names_them() -> None:
    with pytest.raises(UsageError, match="titles cannot come from 'nobody'") as caught:
        load(Flags(titles="nobody"), {})
    assert caught.value.advice == "choose one of prompt, model"


# Broken configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model = ", "cannot read"),
        ("modle = 'm'", "unknown key 'modle'"),
        ("model = 1", "'model' cannot take: 1"),
        ("max_tokens = 0", "'max_tokens' cannot take: 0"),
        ("max_tokens = true", "'max_tokens' cannot take"),
        ("max_tokens = 1.5", "'max_tokens' cannot take"),
        ("timeouts = 3", "'timeouts' cannot take"),
        ("[timeouts]\nidle = -1", "'timeouts' cannot take"),
        ("[timeouts]\ncontent = inf", "'timeouts' cannot take"),
        ("[timeouts]\nidel = 1", "'timeouts' cannot take"),
        ("[timeouts]\nidle = true", "'timeouts' cannot take"),
        ("effort = 'huge'", "'effort' cannot take: 'huge': choose one of low, medium, high, xhigh, max"),
        ("effort = ['low']", "'effort' cannot take"),
        ("thinking = 'no'", "'thinking' cannot take"),
        ("caching = 0", "'caching' cannot take"),
        ("tools = 1", "'tools' cannot take"),
        ("allow_tools = 'calculator'", "'allow_tools' cannot take"),
        (
            "allow_tools = ['shell']",
            "'allow_tools' cannot take: ['shell']: the tools are current_time, calculator, read_file",
        ),
        ("allow_tools = [7]", "'allow_tools' cannot take"),
        ("tools_root = 7", "'tools_root' cannot take"),
        ("titles = 'me'", "'titles' cannot take: 'me': choose one of prompt, model"),
        ("titles = []", "'titles' cannot take"),
        ("[keys]\nquit = 1", "'keys' cannot take"),
        ('base_url = "localhost:1"', "'localhost:1' is not an http or https address"),
    ],
)
def test_a_broken_file_is_named(file: Path, text: str, words: str) -> None:
    sentence = refused(text, file)
    assert words in sentence
    assert str(file) in sentence or "base URL" in sentence


def test_a_file_that_is_no_text(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot read the config file"):
        load(Flags(), {})


def test_a_chosen_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no config file"):
        load(Flags(config=tmp_path / "nowhere.toml"), {})


@pytest.mark.parametrize("count", [0, -1])
def test_max_tokens_is_positive(count: int) -> None:
    with pytest.raises(UsageError, match="--max-tokens must be 1 or more"):
        load(Flags(max_tokens=count), {})


# Where the requests go --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://localhost:11434", "http://localhost:11434"),
        ("http://localhost:11434/", "http://localhost:11434"),
        ("http://localhost:11434/v1", "http://localhost:11434"),
        ("http://localhost:11434/v1/", "http://localhost:11434"),
        ("https://gateway.test/anthropic/v1", "https://gateway.test/anthropic"),
        ("https://gateway.test/v1beta", "https://gateway.test/v1beta"),
    ],
)
def test_a_trailing_v1_is_forgiven(given: str, used: str) -> None:
    assert load(Flags(base_url=given), {}).base_url == used


@pytest.mark.parametrize(
    "given", ["localhost:11434", "ftp://localhost", "http://", "/v1", "file:///etc", "http://[::1"]
)
def test_what_is_no_base_url(given: str) -> None:
    with pytest.raises(UsageError, match="not an http or https address"):
        load(Flags(base_url=given), {})


def test_without_credentials_and_server_the_demo_answers() -> None:
    settings = load(Flags(), {})
    assert (settings.demo, settings.demo_chosen, settings.server) == (True, False, "demo")


def test_a_chosen_demo_leaves_servers_alone() -> None:
    settings = load(Flags(demo=True), {**KEY, "ANTHROPIC_BASE_URL": "http://localhost:1"})
    assert (settings.demo, settings.demo_chosen, settings.base_url, settings.server) == (True, True, None, "demo")


def test_demo_and_base_url_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        load(Flags(demo=True, base_url="http://localhost:1"), {})


@pytest.mark.parametrize(
    ("base_url", "environ", "server", "placeholder"),
    [
        (None, KEY, "api.anthropic.com", None),
        ("https://api.anthropic.com", {}, "api.anthropic.com", None),
        ("http://localhost:11434", {}, "localhost:11434", "local"),
        ("http://localhost:11434", KEY, "localhost:11434", None),
        ("http://user:secret@host.test:8080/x", {}, "host.test:8080", "local"),
    ],
)
def test_which_key_goes_where(
    base_url: str | None, environ: dict[str, str], server: str, placeholder: str | None
) -> None:
    settings = load(Flags(base_url=base_url), environ)
    assert (settings.demo, settings.server, settings.placeholder_key) == (False, server, placeholder)


def test_a_demo_never_gets_a_real_key() -> None:
    assert load(Flags(demo=True), KEY).placeholder_key == "demo"


def test_no_key_is_kept_or_shown() -> None:
    settings = load(Flags(), {"ANTHROPIC_API_KEY": "sk-canary", "ANTHROPIC_AUTH_TOKEN": "canary-token"})
    assert "canary" not in repr(settings)


# Credentials, where the SDK looks for them ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        ({}, None),
        ({"ANTHROPIC_API_KEY": "k", "ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_PROFILE": "p"}, "ANTHROPIC_API_KEY"),
        ({"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "t", "ANTHROPIC_PROFILE": "p"}, "ANTHROPIC_AUTH_TOKEN"),
        ({"ANTHROPIC_PROFILE": "p", **FEDERATION}, "ANTHROPIC_PROFILE"),
        (FEDERATION, "ANTHROPIC_IDENTITY_TOKEN"),
    ],
)
def test_which_credentials_come_first(tmp_path: Path, environ: dict[str, str], source: str | None) -> None:
    assert credentials_source(environ) == source
    folder = tmp_path / "home" / ".config" / "anthropic" / "configs"
    folder.mkdir(parents=True)
    (folder / "default.json").write_text("{}")
    assert credentials_source(environ) == (source or "profile default")


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"])
def test_credentials_in_the_environment(name: str) -> None:
    assert credentials_present({name: "value"})
    assert not credentials_present({name: ""})


def test_federation_needs_all_its_parts() -> None:
    assert credentials_present(FEDERATION)
    for name in FEDERATION:
        assert not credentials_present({**FEDERATION, name: ""})


def test_the_sdks_profiles(tmp_path: Path) -> None:
    folder = tmp_path / "home" / ".config" / "anthropic"
    assert not credentials_present({})
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "work.json").write_text(json.dumps({}))
    assert not credentials_present({})
    (folder / "active_config").write_text("work\n")
    assert credentials_present({})
    assert credentials_present({"ANTHROPIC_CONFIG_DIR": str(folder)})
    assert not credentials_present({"ANTHROPIC_CONFIG_DIR": str(tmp_path)})


def test_no_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert not credentials_present({})


def test_no_home_directory_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as for a user who is in no passwd file
    settings = load(Flags(), KEY)
    assert settings.no_home
    assert settings.model == DEFAULT_MODEL
    for place in (settings.data_dir, settings.config_file.parent):
        with pytest.raises(OSError, match=str(place)):
            place.mkdir(parents=True)
    placed = load(Flags(data_dir=tmp_path), KEY)
    assert (placed.no_home, placed.data_dir) == (False, tmp_path)
    (tmp_path / "c.toml").write_text('data_dir = "~/chats"')
    with pytest.raises(UsageError, match="there is no home directory for '~/chats'"):
        load(Flags(config=tmp_path / "c.toml"), KEY)


def test_where_the_config_file_is_looked_for(file: Path) -> None:
    assert usual_config_file() == file == load(Flags(), {}).config_file


def test_flags_change_single_limits_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[timeouts]\nconnect = 1\nidle = 2\ncontent = 30\n")
    settings = load(Flags(config=file, data_dir=tmp_path, timeouts={"idle": 0.0, "first_byte": 5.0}), {})
    assert settings.timeouts == Timeouts(connect=1.0, first_byte=5.0, idle=0.0, content=30.0)
    with pytest.raises(UsageError, match="--timeout-first-byte must be 0"):
        load(Flags(data_dir=tmp_path, timeouts={"first_byte": -1.0}), {})
