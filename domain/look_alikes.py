"""Domain names that look like others: labels that mix alphabets, or imitate Latin with another.

By UTS #39, "Unicode Security Mechanisms": the restriction level "highly restrictive" (5.2), with
the recommended scripts of UAX #31, table 5; and, as browsers do it, whole labels of letters that
read as Latin ones (UTS #39, 4). The scripts of characters are Unicode's own data, as `regex` has
them; the letters that imitate are the lower-case ones of its confusables.txt.
"""

import regex

ALONE = [
    "Latin",
    "Arabic",
    "Armenian",
    "Bengali",
    "Bopomofo",
    "Cyrillic",
    "Devanagari",
    "Ethiopic",
    "Georgian",
    "Greek",
    "Gujarati",
    "Gurmukhi",
    "Han",
    "Hangul",
    "Hebrew",
    "Hiragana",
    "Kannada",
    "Katakana",
    "Khmer",
    "Lao",
    "Malayalam",
    "Myanmar",
    "Oriya",
    "Sinhala",
    "Tamil",
    "Telugu",
    "Thaana",
    "Thai",
    "Tibetan",
]
"""Scripts in everyday use, each of which may fill a label."""

TOGETHER = ("Latin Han Hiragana Katakana", "Latin Han Bopomofo", "Latin Han Hangul")
"""Scripts that languages write side by side: Japanese, Chinese and Korean."""


def _of(scripts: str) -> str:
    known = "".join(rf"\p{{Script_Extensions={script}}}" for script in scripts.split())
    return rf"[{known}\p{{Script_Extensions=Common}}\p{{Script_Extensions=Inherited}}]+"


ONE_SCRIPT = regex.compile("|".join(map(_of, (*ALONE, *TOGETHER))))

IMITATORS = frozenset(
    # Cyrillic, read as a c d e h i j l o p q s w x y v r
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u04cf\u043e\u0440\u051b\u0455\u051d\u0445\u0443"
    "\u0475\u0433\u0461\u04af\u043f\u0491\u0457\u0451"
    # Greek, read as a i k n o p t u v w y
    "\u03b1\u03b9\u03ba\u03b7\u03bf\u03c1\u03c4\u03c5\u03bd\u03c9\u03b3\u03c7\u03c3"
    # Armenian, read as g h n o q s u w
    "\u0581\u0570\u0578\u0585\u0566\u057d\u0575\u0582\u0561\u057c\u0580"
    # digits and hyphen say nothing
    "0123456789-"
)
"""Characters that may stand in a label which reads as Latin throughout."""


def imitates(domain: str) -> bool:
    """Whether a domain, in Unicode and lower case, has a label that looks like another one.

    A label of imitating letters alone is fair below a top-level domain of its own alphabet: there
    readers expect it.
    """
    *labels, top = domain.split(".")
    return any(not ONE_SCRIPT.fullmatch(label) for label in (*labels, top)) or (
        top.isascii() and any(_reads_as_latin(label) for label in labels)
    )


def _reads_as_latin(label: str) -> bool:
    return not label.isascii() and IMITATORS.issuperset(label)
