"""Masking: what is secret is gone from a text, and nothing else is."""

from __future__ import annotations

import base64
import json
import pickle
import re
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.errors import UsageError
from orch_nb.model import secrets
from orch_nb.model.secrets import PLAIN, KeyLines, Mask, mark, marked, texts_of
from orch_nb.model.shapes import SHAPES

# Nothing here is, or ever was, anybody's; put together so that no scanner of repositories minds.
A, D = "aB3dE5gH7jK9" * 8, "0123456789" * 8
PEM = f"-----BEGIN RSA PRIVATE KEY-----\nMIIEow{A[:50]}\n{A[:64]}\n-----END RSA PRIVATE KEY-----"
JWT = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{A[:43]}"

#: kind, a text before, the secret, a text behind
SHAPED = [
    ("AWS access key", "key ", "AKIA" + "IOSFODNN7EXAMPLE", " used"),
    ("AWS access key", '{"id": "', "ASIA" + "IOSFODNN7EXAMPLE", '"}'),
    ("GitHub token", "git clone with ", "ghp_" + A[:36], ""),
    ("GitHub token", "", "ghs_" + A[:36], "\n"),
    ("GitHub token", "(", "github_pat_" + A[:22] + "_" + A[:59], ")"),
    ("GitLab token", "x ", "glpat-" + A[:20], " y"),
    ("Slack token", "x ", "xoxb-" + D[:12] + "-" + D[:12] + "-" + A[:24], " y"),
    ("Slack token", "x ", "xapp-1-A0123-" + D[:13] + "-" + A[:32], " y"),
    ("Slack webhook", "https://hooks.slack.com/", "services/T00000000/B00000000/" + A[:24], " y"),
    ("Google API key", "key: ", "AIza" + A[:35], ", y"),
    ("Google secret", "x ", "GOCSPX-" + A[:28], " y"),
    ("Stripe key", "x ", "sk_live_" + A[:24], " y"),
    ("Stripe key", "x ", "rk_test_" + A[:24], " y"),
    ("Anthropic key", "x ", "sk-ant-api03-" + A[:80], " y"),
    ("OpenAI key", "x ", "sk-proj-" + A[:80], " y"),
    ("OpenAI key", "x ", "sk-" + A[:48], " y"),
    ("JSON Web Token", "cookie ", JWT, "; path=/"),
    ("npm token", "x ", "npm_" + A[:36], " y"),
    ("PyPI token", "x ", "pypi-AgEIcHlwaS5vcmc" + A[:60], " y"),
    ("Hugging Face token", "x ", "hf_" + A[:34], " y"),
    ("SendGrid key", "x ", "SG." + A[:22] + "." + A[:43], " y"),
    ("DigitalOcean token", "x ", "dop_v1_" + "0a" * 32, " y"),
    ("Docker Hub token", "x ", "dckr_pat_" + A[:27], " y"),
    ("Vault token", "x ", "hvs." + A[:24], " y"),
    ("age key", "x ", "AGE-SECRET-KEY-1" + "QPZRY9X8" * 7 + "QP", " y"),
    ("private key", "the key:\n", PEM, "\nend"),
    ("private key", "", PEM.replace("RSA", "OPENSSH"), ""),
    ("private key", "", PEM.replace("RSA ", ""), ""),
    ("authorization", "Authorization: Basic ", "dXNlcjpwYXNz", ""),
    ("authorization", "> authorization: Bearer ", "abcdef.123-x", ""),
    ("authorization", "{'Authorization': 'Bearer ", "abcdefghijk", "'}"),
    ("bearer token", "sent bearer ", A[:30], " to it"),
    ("password in a URL", "postgres://root:", "hunter2", "@db:5432/x"),
    ("password in a URL", "redis://:", "s3cr3t!", "@cache/0"),
    ("password", "password=", "hunter2hunter2", ""),
    ("password", "{'password': '", "hunter2", "'}"),
    ("password", '"api_key": "', "abc123def456", '"'),
    ("password", "export AWS_SECRET_ACCESS_KEY=", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY", ""),
    ("password", "DB_PASSWORD=", "c0rrect-horse", " ./run"),
    ("password", "  client_secret: ", "9f8e7d6c5b4a", "\n  x: y"),
    ("password", "https://x.org/?token=", "abc123def456", "&page=2"),
    ("password", '{\\"token\\": \\"', "a1b2c3d4e5", '\\"}'),
    ("password", "mysql --password ", "hunter2x", " -h db"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "before", "secret", "behind"), SHAPED)
def test_what_looks_like_a_secret_is_masked_and_what_stands_around_it_stays(
    kind, before, secret, behind
):
    assert PLAIN.text(f"{before}{secret}{behind}") == f"{before}{mark(kind)}{behind}"


def test_there_is_an_example_of_every_shape():
    assert {kind for kind, *_ in SHAPED} == {shape.kind for shape in SHAPES}


HARMLESS = [
    "commit 1984a1ab6f0e5d3c2b1a09f8e7d6c5b4a3f2e1d0",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "run 123e4567-e89b-12d3-a456-426614174000 has ended",
    'result ="blake2b 1f2e3d4c5b6a79880716253443526170"',
    "Unexpected token: the parser wanted a comma",
    "token: the thing that you get at the door",
    "SyntaxError: invalid token (cell 3, line 12)",
    "tokens: 4096, max_tokens=4096, token_count=12345678",
    "password: required, at least 8 characters",
    "Enter your password:",
    "password = getpass.getpass()",
    "connect(user=user, password=password)",
    "token = os.environ['GITHUB_TOKEN1234']",
    "password=${DB_PASSWORD1}",
    "password: {{ params.db1_password }}",
    "secret: /run/secrets/db1_password",
    "api_key=<your-api-key1>",
    "secret=None token=null api_key=''",
    "the secretary: Mrs Smith1234567",
    "tokenizer=gpt2-medium-v1.5",
    "primary_key=user_id_2024 sort_key=created2024",
    "PWD=/srv/user1/work",
    "http://localhost:8888/lab?x=1",
    "http://localhost:8888/tree/a@b.txt",
    "mail somebody@example.org or ssh git@github.com:me/repo1.git",
    "postgres://db.example.org:5432/shop",
    "https://user@example.org/path",
    "bearer of good news, and a bearer bond",
    "Authorization: required for this page",
    "task-manager-with-a-very-long-name-indeed-1234567890abcdef",
    "risk-assessment-of-2024-with-all-its-many-parts-0123456789",
    "AKIAIOSFODNN7", "akiaiosfodnn7example", "XAKIAIOSFODNN7EXAMPLEX",
    "ghp_short", "xoxo-hugs-and-kisses-everyone", "eyJ is how JSON in base64 begins",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkq\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDI",
    "2026-11-22 19:00:00,123 INFO app.auth token refreshed for 3 users in 0.3 s",
    "secret: 2024-01-01T00:00:00 is when it was rotated",
    "key=value1234567, monkey=banana12345",
    "https://example.org/api?page=2&sort=token&key=abc",
]  # fmt: skip


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_reminds_of_a_secret_stays_as_it_is(text):
    assert PLAIN.text(text) == text
    assert PLAIN.within(text.encode()) == ""


# -- named


NAMED = Mask({"DB": ["hunter2 &\"é'"], "API": ["k3y-one"], "LONG": ["k3y-one-and-more"]})


@pytest.mark.parametrize(
    "write",
    [
        str, repr, json.dumps, lambda s: json.dumps(s, ensure_ascii=False), quote,
        lambda s: quote(s, safe=""), lambda s: f"x{s}y", lambda s: s * 3,
        lambda s: s.encode().hex(),
        lambda s: base64.b64encode(s.encode()).decode(),
        lambda s: base64.b64encode(f"me:{s}!".encode()).decode(),
        lambda s: base64.urlsafe_b64encode(f"me2:{s}".encode()).decode(),
    ],
)  # fmt: skip
def test_a_named_secret_is_found_however_it_is_written(write):
    secret = "hunter2 &\"é'"
    seen = NAMED.text(f"before {write(secret)} behind")
    assert mark("DB") in seen
    assert "hunter2" not in seen
    assert seen.startswith("before ")
    assert seen.endswith(" behind")


def test_the_longer_of_two_secrets_is_masked_whole():
    assert NAMED.text("k3y-one-and-more k3y-one") == f"{mark('LONG')} {mark('API')}"


def test_each_line_of_a_secret_of_several_lines_is_one():
    mask = Mask({"KEY": [PEM]})
    assert mask.text(PEM) == mark("KEY")
    assert mask.text(f"> {A[:64]}") == f"> {mark('KEY')}"


def test_a_mark_is_never_masked_again():
    mask = Mask({"secret": ["secret"], "MARK": ["‹secret x›"]})
    once = mask.text("a secret, and password=hunter2hunter2")
    assert once == f"a {mark('secret')}, and password={mark('password')}"
    assert mask.text(once) == once
    assert marked(once) == mark("secret")
    assert marked("nothing") == ""


@pytest.mark.parametrize("short", ["a", "abc", " ab "])
def test_a_secret_that_is_too_short_to_be_told_from_other_text_is_refused(short):
    with pytest.raises(UsageError, match="DB has fewer than 4 characters"):
        Mask({"DB": [short]})


def test_of_a_value_everything_written_in_it_is_secret():
    value = {"a": ["one", 12345], "b": {"c": b"three"}, "d": None, "e": True}
    assert list(texts_of(value)) == ["one", "12345", "three"]


# -- values and bytes


def test_values_are_masked_inside_and_what_has_none_is_the_very_same():
    mask = Mask({"X": ["hunter2"]})
    value = {"a": ["hunter2", 1], "b": ("x", {"c": "see hunter2"})}
    assert mask.value(value) == {"a": [mark("X"), 1], "b": ("x", {"c": f"see {mark('X')}"})}
    same = {"a": ["hunter", 1], "b": ("x", {"c": None})}
    assert mask.value(same) is same


@pytest.mark.parametrize("coding", ["utf-8", "utf-16-le", "utf-32-le"])
def test_bytes_that_hold_a_named_secret_are_known(coding):
    assert Mask({"X": ["hünter2"]}).within(b"\0\1" + "hünter2".encode(coding) + b"\2") == mark("X")


@pytest.mark.parametrize(
    ("kind", "secret"), [(kind, secret) for kind, _, secret, _ in SHAPED[:28] if "web" not in kind]
)
def test_bytes_that_hold_a_certain_shape_are_known(kind, secret):
    assert PLAIN.within(f'{{"x": {json.dumps(secret)}}}'.encode()) == mark(kind)


@pytest.mark.parametrize("size", range(20, 130))
def test_a_token_in_a_pickle_is_known_whatever_its_length(size):
    for token in ("sk_live_" + A * 2, "sk-" + A * 2, "SG." + A[:22] + "." + A[:43]):
        for value in ([token[:size]], {"k": (token[:size].encode(),)}):
            known = bool(PLAIN.within(pickle.dumps(value, 5)))
            assert known == bool(PLAIN.within(token[:size].encode()))


def test_a_shape_that_is_only_likely_keeps_no_result_out_of_the_journal():
    assert PLAIN.within(b'{"password": "hunter2hunter2"}') == ""
    assert PLAIN.within(b"how to make a -----BEGIN PRIVATE KEY----- line") == ""


# -- texts that are cut, or not whole yet


@pytest.mark.parametrize("size", range(1, 7))
def test_a_text_that_was_cut_in_a_named_secret_ends_before_it(size):
    assert Mask({"X": ["hunter2"]}).shown(f"it is {'hunter2'[:size]}…") == "it is …"


def test_a_text_that_was_cut_in_a_shape_ends_before_it():
    assert PLAIN.shown("it is ghp_abcdef…") == "it is …"
    assert PLAIN.shown("it is quite long…") == "it is quite long…"


WORDS = st.text(string.ascii_letters + string.digits + " .:=-_/\"'@\n", max_size=40)
SECRETS = st.sampled_from([secret for kind, _, secret, _ in SHAPED[:25] if kind != "Slack webhook"])


@given(WORDS, SECRETS, WORDS)
def test_wherever_a_text_ends_what_is_before_its_tail_holds_no_beginning_of_a_secret(
    before, secret, behind
):
    whole = f"{before} {secret} {behind}"
    start = len(before) + 1
    for end in range(start + 4, start + len(secret)):
        begun = whole[:end]
        assert PLAIN.tail(begun) <= start


@given(WORDS, st.text(string.ascii_letters + string.digits, min_size=4, max_size=20), WORDS)
def test_a_named_secret_is_gone_from_any_text(before, secret, behind):
    mask = Mask({"X": [secret]})
    seen = mask.text(f"{before}{secret}{behind}")
    assert secret not in re.sub("‹secret [^›]*›", "", seen)
    assert mask.text(seen) == seen


@given(WORDS)
def test_masking_twice_is_masking_once(text):
    once = PLAIN.text(f"password={text} token: {text}")
    assert PLAIN.text(once) == once


# -- a key over several lines


def lines_of(text):
    key = KeyLines()
    return [PLAIN.text(line) for line in map(key.line, text.split("\n")) if line is not None]


def test_of_a_private_key_over_several_lines_a_mark_is_left():
    assert lines_of(f"a\n{PEM}\nb") == ["a", mark("private key"), "b"]
    assert lines_of(f"a\n  key: {PEM} # ours\nb") == [
        "a", f"  key: {mark('private key')}", "# ours", "b",
    ]  # fmt: skip


def test_a_key_without_an_end_ends_with_what_is_none():
    begun = PEM.rpartition("\n")[0]
    assert lines_of(f"{begun}\n<html> is not of it\nb") == [
        mark("private key"), "<html> is not of it", "b",
    ]  # fmt: skip


PIECES = st.sampled_from(
    [part for _, *parts in SHAPED for part in parts] + HARMLESS + [" ", "\n", "=", ": ", "'", '"']
)


@given(st.lists(PIECES, max_size=6).map("".join))
def test_the_quick_look_passes_over_nothing_that_would_be_masked(text):
    assert PLAIN.text(text) == secrets._any().sub(secrets._masked, text)
