"""What secrets look like: tokens whose issuers gave them a shape, and values that are said to be.

    certain     begins as only such tokens do (`ghp_`, `AKIA`): masked wherever it stands
    else        a value after a word: `password=`, `Authorization: Bearer`, `https://user:pass@host`

A shape's group `v` is what is masked; without one it is all of it. Each match has in it one of
`begins`, or (in lower case) of `hints`: a text without any is left alone after one quick search,
which is what nearly all texts are.

The shapes are those that the issuers publish, and that the open rules of gitleaks check:
GitHub <https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/>,
AWS <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>,
GitLab <https://docs.gitlab.com/security/tokens/>,
Slack <https://docs.slack.dev/authentication/tokens>, Stripe <https://docs.stripe.com/keys>,
PyPI <https://pypi.org/help/#apitoken>, JSON Web Tokens RFC 7519, private keys RFC 7468,
`Authorization` RFC 6750 and 7617, URLs RFC 3986, and for the others gitleaks
<https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml>.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["KEY_BEGIN", "KEY_END", "SHAPES", "START", "Shape"]


class Shape(NamedTuple):
    """What is masked as `kind`."""

    kind: str
    pattern: str
    begins: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def certain(self) -> bool:
        return bool(self.begins)


#: The first and the last line of a private key, between which it stands (RFC 7468; PGP: RFC 9580).
KEY_BEGIN = r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
KEY_END = r"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"

#: What begins as few other things do may follow anything; before others stands no letter.
START = r"(?<![A-Za-z0-9_-])"
_END = r"(?![A-Za-z0-9])"

# What a value may be made of. It ends where a shell, JSON, YAML or a URL would end it.
_VALUE = r"[^\s\"'`,;&<>(){}\[\]|\\$‹›]"
# It has a digit and a letter, as people's words seldom do and tokens nearly always.
_MIXED = rf"(?={_VALUE}*[0-9])(?={_VALUE}*[A-Za-z])"
# And is no place, no date, no code that would fetch it: those are what is said instead of a secret.
_NO_PLACE = (
    r"(?![./~%*:=#@]|[A-Za-z]:[\\/]|[a-z]+://|env[.:]|os\.|self\.|args\.|[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"|[A-Za-z_][\w.]*[(\[])"
)
_WORD = (
    r"(?i:password|passwd|passphrase|\bpwd|secret|token|api[_-]?key|access[_-]?key(?:[_-]?id)?"
    r"|secret[_-]?key|account[_-]?key|private[_-]?key|auth[_-]?key|credentials?|authorization)"
)
_SIGN = r"[\\\"'\]]{0,3}\s{0,3}(?:=>|:=|=|:)\s{0,3}"
_SIGNED = r"s?[\\\"'\]]{0,3}\s{0,3}[=:]"
_SAID = tuple(
    f"{word}{_SIGNED}"
    for word in ("password", "passwd", "passphrase", "pwd", "secret", "token", "key", "key_id",
                 "key-id", "keyid", "credential", "authorization")
)  # fmt: skip
_SCHEME = r"(?i:bearer|basic|digest|token|apikey)\s{1,3}"

SHAPES: tuple[Shape, ...] = (
    Shape("private key", rf"{KEY_BEGIN}.*?(?:{KEY_END}|\Z)", ("-----BEGIN",)),
    Shape("AWS access key", rf"{START}(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{{16}}(?![A-Za-z0-9_])",
          ("AKIA", "ASIA", "ABIA", "ACCA")),
    Shape("GitHub token",
          rf"(?:gh[pousr]_[A-Za-z0-9]{{36,}}|github_pat_[A-Za-z0-9_]{{36,}}){_END}",
          ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")),
    Shape("GitLab token", r"gl(?:pat|dt|rt|ptt|cbt|oas|agent)-[A-Za-z0-9_.-]{20,}",
          ("glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "gloas-", "glagent-")),
    Shape("Slack token", r"(?:xox[abceoprs]-(?=[A-Za-z-]*[0-9])[A-Za-z0-9-]{10,}"
          r"|xapp-[0-9]-[A-Za-z0-9-]{20,})", ("xox", "xapp-")),
    Shape("Slack webhook",
          r"(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,}",
          ("hooks.slack.com",)),
    Shape("Google API key", rf"{START}AIza[A-Za-z0-9_-]{{35}}(?![A-Za-z0-9_-])", ("AIza",)),
    Shape("Google secret",
          rf"{START}(?:GOCSPX-[A-Za-z0-9_-]{{28}}|ya29\.[A-Za-z0-9_-]{{20,}})",
          ("GOCSPX-", "ya29.")),
    Shape("Stripe key",
          r"(?:[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/]{32,})",
          ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_")),
    Shape("Anthropic key", r"sk-ant-[A-Za-z0-9_-]{20,}", ("sk-ant-",)),
    Shape("OpenAI key", rf"{START}sk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{{20,}}"
          r"|(?=[A-Za-z]*[0-9])[A-Za-z0-9]{32,})", ("sk-",)),
    Shape("JSON Web Token",
          rf"{START}eyJ[A-Za-z0-9_-]{{8,}}\.eyJ[A-Za-z0-9_-]{{8,}}\.[A-Za-z0-9_-]*", ("eyJ",)),
    Shape("npm token", rf"npm_[A-Za-z0-9]{{36}}{_END}", ("npm_",)),
    Shape("PyPI token", r"pypi-Ag[A-Za-z0-9_-]{50,}", ("pypi-Ag",)),
    Shape("Hugging Face token", rf"{START}hf_[A-Za-z0-9]{{34,}}{_END}", ("hf_",)),
    Shape("SendGrid key", rf"{START}SG\.[A-Za-z0-9_-]{{22}}\.[A-Za-z0-9_-]{{43}}", ("SG.",)),
    Shape("DigitalOcean token", r"do[opr]_v1_[a-f0-9]{64}",
          ("doo_v1_", "dop_v1_", "dor_v1_")),
    Shape("Docker Hub token", r"dckr_pat_[A-Za-z0-9_-]{27}", ("dckr_pat_",)),
    Shape("Vault token", rf"{START}hvs\.[A-Za-z0-9_-]{{24,}}", ("hvs.",)),
    Shape("age key", r"AGE-SECRET-KEY-1[A-Z0-9]{58}", ("AGE-SECRET-KEY-1",)),
    Shape("password in a URL",
          r"(?<=://)[^\s:@/?#\"'<>]*:(?P<v>(?![${*])[^\s@/?#\"'<>‹›]+)(?=@)",
          hints=(r"://[^\s:@/?#]*:[^\s@/?#]*@",)),
    Shape("authorization",
          rf"(?i:authorization){_SIGN}[\"']?{_SCHEME}(?P<v>{_NO_PLACE}{_VALUE}{{6,}}+)",
          hints=_SAID),
    Shape("bearer token",
          r"\b(?i:bearer)\s{1,3}(?P<v>(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{16,}=*)",
          hints=(r"bearer\s",)),
    Shape("password",
          rf"{_WORD}{_SIGN}\\?[\"'](?P<v>{_NO_PLACE}(?=[^\s\"'\\]*[0-9!@#%^&*+=?~])"
          r"[^\s\"'\\‹›${}<>]{6,})(?=\\?[\"'])", hints=_SAID),
    Shape("password",
          rf"{_WORD}{_SIGN}(?P<v>{_NO_PLACE}{_MIXED}{_VALUE}{{8,}}+(?![(\[]))", hints=_SAID),
    Shape("password", r"--(?i:password|passwd|passphrase|token|secret|api-?key)\s{1,3}"
          rf"(?P<v>(?!-){_NO_PLACE}{_VALUE}{{6,}}+)",
          hints=(r"--passw", r"--passphrase", r"--token\s", r"--secret\s", r"--api-?key\s")),
)  # fmt: skip
