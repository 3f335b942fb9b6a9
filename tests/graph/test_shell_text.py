"""Where in a shell's text a quoted word may stand; `@` is what is filled in."""

from __future__ import annotations

import pytest

from orch_nb.graph.shell_text import GAP, misplaced

NOBODY = "where nobody can tell the quotes, behind "


def places(text: str) -> list[str]:
    return misplaced(text.replace("@", GAP))


@pytest.mark.parametrize(
    "text",
    [
        "rm @",
        "rm -f -- @ @/x.tar --name=@",
        "x=@; y=${x:-@}",
        'echo "$(cat @)" "$(echo "$(cat @)")"',
        "(cd @ && ls) | grep @ > @",
        "f() { echo @; }; f",
        "for x in @; do echo @; done",
        "case @ in a) echo @;; esac",
        "a='it'; echo @ 'b' @ \"c\" @",
        "# don't\nrm @",
        "echo a#b @",
        'cat <<END > @\nit\'s "here"\nEND\nrm @',
        "cat <<-'END'\n\tit's `here` $(\n\tEND\nrm @",
        "cat <<A <<B\n'\nA\n'\nB\nrm @",
        "cat <<< @",
        "echo $((1 + (2 << 3))) @",
        "echo ${#x} ${x#'}'} $# @",
        "awk '{ print $1 }' @",
        "echo \\\" @ \\' @",
        "[ @ = @ ] && echo @",
        "$'plain' @",
        "2>@ ls @ >f x@>f",
        'echo "it\'s" @',
        "echo `date` @",
        "echo $${x:-<<E\n'\nE\n@",
        "echo $#$'a' $$'a' @",
        "echo `date`#'it' $(date)#'it' a\\ #'it' a\\\n#'it' @",
        "(ls)# don't\n@",
    ],
)
def test_a_word_may_stand_there(text):
    assert set(places(text)) == {""}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('rm "@"', "in double quotes"),
        ("rm '@'", "in single quotes"),
        ("rm $'@'", "in $'...'"),
        ('"${x:-@}"', "in double quotes"),
        ('echo "$(date) @"', "in double quotes"),
        ('$(echo "@")', "in double quotes"),
        ("ls # @", "in a comment"),
        ("echo `cat @`", "in backticks"),
        ('echo "`cat @`"', "in backticks"),
        ("echo $((@ + 1))", "in arithmetic"),
        ("echo $(( (1) + @ ))", "in arithmetic"),
        ('echo "$((@ + 1))"', "in arithmetic"),
        ("cat <<END\n@\nEND", "in a here-document"),
        ("cat <<'END'\n@\nEND", "in a here-document"),
        ("cat <<-END\n\t@\n\tEND", "in a here-document"),
        ("cat <<@\nx", "in a here-document"),
        ("cat <<END\nx=\\\nEND\n@", "in a here-document"),
        ("$(cat <<END\n@\nEND\n)", "in a here-document"),
        ("echo $@", "behind `$`"),
        ("echo \\@", "behind a backslash"),
        ('echo "\\@"', "behind a backslash"),
        ("echo @>f", "right before `>`"),
        ("echo 1@<f", "right before `<`"),
        ("$'it\\'s' @", NOBODY + "`$'...\\'...'`"),
        ("echo $[1] @", NOBODY + "`$[`"),
        ("((x = 1)); echo @", NOBODY + "`((`"),
        ("echo $((echo a); echo b) @", NOBODY + "`$((...) ...)`"),
        ("$(case x in x) echo @;; esac)", NOBODY + "a `case` in `$(...)`"),
        ('echo "${x:-it\'s}" @', NOBODY + 'a quote in "${...}"'),
        ("cat <<END\n$(\nEND\n) @", NOBODY + "a here-document that opens something"),
    ],
)
def test_a_word_must_not_stand_there(text, where):
    assert places(text)[-1] == where


def test_there_is_an_answer_for_each():
    assert places("@ '@' @") == ["", "in single quotes", ""]
    assert places("nothing") == []
