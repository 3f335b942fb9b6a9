r"""Where in a shell's text a word may be put in, and where that would not be safe.

What is filled into a command comes quoted (`'two words'`). That is right wherever the shell reads
words, `"$(cat HERE)"` included, and wrong wherever quotes mean nothing or something else:

    rm HERE                  a word: fine                 rm "HERE"         in double quotes
    x=HERE; echo "$x"        a word: fine                 echo 'HERE'       in single quotes
    echo "$(cat HERE)"       a word: fine                 # HERE            in a comment
    tar -f HERE/a.tar        part of a word: fine         cat <<END         in a here-document
                                                          $((HERE + 1))     in arithmetic

The scanner follows what POSIX says of quoting, with a stack of what is open. Where sh and bash read
a text in two ways (`((`, `$[`, `$'it\'s'`), and where it would have to understand more than quotes
(a `case` within `$(...)`, whose patterns close brackets that they did not open), it says so rather
than guess: for all that follows.

Source: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html
"""

from __future__ import annotations

import re

__all__ = ["GAP", "misplaced"]

#: Stands for what is filled in; a command cannot hold it otherwise.
GAP = "\0"

_SINGLE, _ANSI, _DOUBLE = "in single quotes", "in $'...'", "in double quotes"
_BACKTICKS, _COMMENT = "in backticks", "in a comment"
_ARITHMETIC, _HEREDOC = "in arithmetic", "in a here-document"
_BRACE, _GROUP, _COMMAND = "${...}", "(...)", "$(...)"
_CLOSES = {_GROUP: ")", _COMMAND: ")", _ARITHMETIC: ")", _BRACE: "}"}
_NOBODY = "where nobody can tell the quotes, behind "
_SPECIAL = tuple("$#?!-@*")
_WORD_ENDS = frozenset(" \t\n;|&()<>" + "`")
_HEREDOC_WORD = re.compile(r"<<(-?)[ \t]*((?:'[^'\n]*'|\"[^\"\n]*\"|\\.|[^\s;|&()<>'\"\\])+)")


def misplaced(text: str) -> list[str]:
    """For each `GAP` of a command, where it stands; "" where a quoted word may stand."""
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.found


class _Scanner:
    def __init__(self, text: str, within: str = "") -> None:
        self._text, self._at = text, 0
        self._open: list[str] = [within] if within else []
        self._heredocs: list[tuple[str, bool, bool]] = []
        self._lost = ""
        self._within_word = -1  # a place that follows an end of a word, and does not begin one
        self.found: list[str] = []

    def scan(self) -> None:
        while self._at < len(self._text):
            inside = self._open[-1] if self._open else ""
            if self._text[self._at] == GAP:
                self._gap()
            elif inside == _COMMENT:
                self._comment()
            elif inside in (_SINGLE, _ANSI):
                self._quoted(inside)
            else:
                self._code(inside)

    def _next(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _begin(self, what: str, length: int, levels: int = 1) -> None:
        self._open += [what] * levels
        self._at += length

    # -- what is filled in

    def _gap(self) -> None:
        before = self._text[self._at - 1] if self._at else ""
        after = self._text[self._at + 1 : self._at + 2]
        where = self._lost or self._inside()
        if not where and before == "$":
            where = "behind `$`"
        elif not where and after in ("<", ">") and self._is_number_alone():
            where = f"right before `{after}`"
        self.found.append(where)
        self._at += 1

    def _inside(self) -> str:
        if _BACKTICKS in self._open:
            return _BACKTICKS
        for what in reversed(self._open):
            if what in (_GROUP, _COMMAND):
                return ""
            if what != _BRACE:  # `${x:-HERE}` is quoted as what is around it
                return what
        return ""

    def _is_number_alone(self) -> bool:
        """Whether the word may be nothing but digits: `2>file` is not `2 >file`."""
        start = self._at
        while start and (self._text[start - 1].isdigit() or self._text[start - 1] == GAP):
            start -= 1
        return start == 0 or self._text[start - 1] in _WORD_ENDS

    # -- what takes no code in it

    def _comment(self) -> None:
        if self._next("`") and _BACKTICKS in self._open:
            self._backtick()  # which end wherever the next one stands
        elif self._next("\n"):
            self._open.pop()
        else:
            self._at += 1

    def _quoted(self, inside: str) -> None:
        if self._next("`") and _BACKTICKS in self._open:
            self._backtick()
        elif inside == _ANSI and self._next("\\"):
            if self._next("\\'"):  # sh and bash disagree on where this text ends
                self._lost = "where nobody can tell the quotes, behind `$'...\\'...'`"
            self._at += 2 if self._text[self._at + 1 : self._at + 2] != GAP else 1
        elif self._next("'"):
            self._open.pop()
            self._at += 1
        else:
            self._at += 1

    # -- code, and the double quotes that may have code in them

    def _code(self, inside: str) -> None:
        character = self._text[self._at]
        if character == "\\":
            self._backslash()
        elif character == "$":
            self._dollar()
        elif character == "`":
            self._backtick()
        elif character == '"' and inside != _HEREDOC:
            self._double(inside)
        elif inside in (_DOUBLE, _HEREDOC):
            self._at += 1
        elif character == _CLOSES.get(inside):
            self._close(inside)
        elif inside == _ARITHMETIC:
            self._begin(_ARITHMETIC, 1, levels=int(character == "("))
        elif character == "'":
            self._single(inside)
        elif inside == _BRACE:
            self._at += 1
        else:
            self._command(character)

    def _close(self, inside: str) -> None:
        self._open.pop()
        self._at += 1
        if inside != _GROUP:
            self._within_word = self._at
        last = inside == _ARITHMETIC and self._open[-2:].count(_ARITHMETIC) == 1
        if last and not self._next(")"):
            self._lost = _NOBODY + "`$((...) ...)`"  # no arithmetic after all, to some shells

    def _begins(self) -> bool:
        """Whether a word begins here, where commands are read."""
        if self._at == self._within_word:
            return False
        return self._at == 0 or self._text[self._at - 1] in _WORD_ENDS

    def _backslash(self) -> None:
        follows = self._text[self._at + 1 : self._at + 2]
        if follows == GAP:
            self.found.append(self._lost or "behind a backslash")
        if follows != "\n" or not self._begins():  # which joins two lines
            self._within_word = self._at + 2
        self._at += 2

    def _dollar(self) -> None:
        if self._next("$(("):
            self._begin(_ARITHMETIC, 3, levels=2)
        elif self._next("$("):
            self._begin(_COMMAND, 2)
        elif self._next("${"):
            self._begin(_BRACE, 2)
        elif self._next("$["):
            self._lost = _NOBODY + "`$[`"  # arithmetic to bash, and nothing to sh
            self._at += 2
        elif self._next("$'") and not self._inside():
            self._begin(_ANSI, 2)
        else:  # `$$` and `$#` are values; a `{` or `(` behind them opens nothing of theirs
            self._at += 2 if self._text[self._at + 1 : self._at + 2] in _SPECIAL else 1

    def _backtick(self) -> None:
        if _BACKTICKS in self._open:
            del self._open[self._open.index(_BACKTICKS) :]
            self._at += 1
            self._within_word = self._at
        else:
            self._begin(_BACKTICKS, 1)

    def _double(self, inside: str) -> None:
        if inside == _DOUBLE:
            self._open.pop()
            self._at += 1
        else:
            self._begin(_DOUBLE, 1)

    def _single(self, inside: str) -> None:
        if inside == _BRACE and self._inside() == _DOUBLE:
            # `"${x:-it's}"` has no quote in it, `"${x%'}'}"` has.
            self._lost = _NOBODY + 'a quote in "${...}"'
            self._at += 1
        else:
            self._begin(_SINGLE, 1)

    def _command(self, character: str) -> None:
        """A character where commands are read: the top, `(...)`, `$(...)` and backticks."""
        begins = self._begins()
        if character == "\n":
            self._at += 1
            self._bodies()
        elif character == "#" and begins:
            self._begin(_COMMENT, 1)
        elif self._next("((") and begins:
            self._lost = _NOBODY + "`((`"  # arithmetic to bash, and two brackets to sh
            self._at += 2
        elif character == "(":
            self._begin(_GROUP, 1)
        elif self._next("<<") and not self._next("<<<"):
            self._heredoc()
        elif self._next("<<<"):
            self._at += 3
        else:
            if begins and self._next("case") and _COMMAND in self._open:
                after = self._text[self._at + 4 : self._at + 5]
                if after.isspace() or after == GAP:
                    self._lost = _NOBODY + "a `case` in `$(...)`"
            self._at += 1

    def _heredoc(self) -> None:
        match = _HEREDOC_WORD.match(self._text, self._at)
        if match is None:
            self._at += 2
            return
        word = re.sub(r"\\(.)|['\"]", r"\1", match[2])
        self._heredocs.append((word, match[1] == "-", word != match[2]))
        self.found += [_HEREDOC] * match[0].count(GAP)
        self._at = match.end()

    def _bodies(self) -> None:
        """The here-documents that were announced on the line that ends here."""
        for word, tabs, literal in self._heredocs:
            begin, joined = self._at, False
            while self._at < len(self._text):
                end = self._text.find("\n", self._at)
                line = self._text[self._at : end if end >= 0 else len(self._text)]
                self._at += len(line) + 1
                self.found += [_HEREDOC] * line.count(GAP)
                if not joined and (line.lstrip("\t") if tabs else line) == word:
                    break
                backslashes = len(line) - len(line.rstrip("\\"))
                joined = not literal and backslashes % 2 == 1
            if not literal and not _closed(self._text[begin : self._at]):
                self._lost = _NOBODY + "a here-document that opens something"
        self._heredocs = []


def _closed(body: str) -> bool:
    """Whether a here-document closes what it opens: shells read on for a `$(` that is left open."""
    scanner = _Scanner(body, _HEREDOC)
    scanner.scan()
    return scanner._open == [_HEREDOC] and not scanner._lost  # noqa: SLF001  # one of its own kind
