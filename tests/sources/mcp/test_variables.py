"""`${VAR}` and its kin are filled in only on starting, and what they hold is never told."""

from __future__ import annotations

import pytest

from orch_nb.errors import UsageError
from orch_nb.sources.mcp.config import Server
from orch_nb.sources.mcp.variables import expanded


def server(**fields):
    return Server(name="s", file="f", folder="/srv/shop", **fields)


def test_the_environment_the_places_and_defaults_are_filled_in():
    made = expanded(
        server(
            command="${TOOL}", args=("${env:WHO}", "${GONE:-left}", "${EMPTY:-right}"),
            env={"A": "${workspaceFolder}/x", "B": "${userHome}${/}${workspaceFolderBasename}"},
        ),
        {"TOOL": "npx", "WHO": "ada", "HOME": "/srv/ada", "EMPTY": ""},
    )  # fmt: skip
    assert made.command == "npx"
    assert made.args == ("ada", "left", "right")
    assert made.env == {"A": "/srv/shop/x", "B": "/srv/ada/shop"}


def test_urls_and_headers_are_filled_in_too():
    made = expanded(
        server(transport="http", url="https://${HOST}/mcp", headers={"X-Key": "Bearer ${KEY}"}),
        {"HOST": "example.org", "KEY": "k-123456789"},
    )
    assert made.url == "https://example.org/mcp"
    assert made.headers == {"X-Key": "Bearer k-123456789"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${GONE}", "the environment variable GONE is not set"),
        ("${env:GONE}", "the environment variable GONE is not set"),
        ("${command:x.y}", "`${command:x.y}` is no variable that can be filled in"),
        ("${input:key}", "VS Code asks a person for `key`; set ORCH_NB_INPUT_KEY to give it here"),
    ],
)
def test_what_is_not_set_is_told_by_name(text, told):
    with pytest.raises(UsageError) as error:
        expanded(server(command="x", args=(text,)), {})
    assert told in str(error.value)


def test_what_vs_code_asks_a_person_for_comes_from_a_variable_or_its_default():
    one = server(command="x", args=("${input:api-key}", "${input:region}"),
                 inputs={"api-key": None, "region": "eu"})  # fmt: skip
    made = expanded(one, {"ORCH_NB_INPUT_API_KEY": "abcd-efgh"})
    assert made.args == ("abcd-efgh", "eu")
    assert "abcd-efgh" not in made.mask.text("your key abcd-efgh")


def test_an_env_file_is_read_and_the_entrys_own_values_win(tmp_path):
    (tmp_path / ".env").write_text("# keys\nexport A=1\nB='two words'\nC=three\n\nnonsense\n")
    one = Server(name="s", file="f", folder=str(tmp_path), command="x", env={"C": "4"},
                 env_file="${workspaceFolder}/.env")  # fmt: skip
    assert expanded(one, {}).env == {"A": "1", "B": "two words", "C": "4"}
    with pytest.raises(UsageError, match="cannot be read"):
        expanded(Server(name="s", file="f", folder="/", command="x", env_file="no.env"), {})


def test_every_secret_is_masked_in_what_is_told():
    made = expanded(
        server(command="x", args=("--token", "${TOKEN}"), env={"KEY": "literal-0123456789"}),
        {"TOKEN": "tok-abcdef"},
    )
    assert made.mask.text("tok-abcdef literal-0123456789") == "‹secret TOKEN› ‹secret KEY›"
    assert "abcdef" not in repr(made)


def test_what_is_no_secret_stays_readable():
    made = expanded(
        server(command="x", args=("${HOME}/notes",), env={"LOG_LEVEL": "information"}),
        {"HOME": "/srv/ada"},
    )
    assert made.mask.text("information of /srv/ada") == "information of /srv/ada"
