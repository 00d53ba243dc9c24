"""Where in a TOML file something stands, so that a fault can name the line. Not a parser: tomllib has read the file.

Good enough for what people write: one header or one `key =` a line. What is written otherwise is looked for as a word;
what is not found so either is said without a line.
"""

import re

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*[=.]""")


def line_of(text: str, table: str, key: str = "", *, index: int = 0) -> int:
    """Return the line (from 1) of a key of a table, or of the table's header without a key; 0 when it is not found.

    table: dotted, '' for the top. index: which one of an array of tables, from 0.
    """
    current, seen = "", -1
    header_line = 0 if table else 1
    is_inside = not table
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header is not None:
            current = ".".join(part.strip().strip("\"'") for part in header[2].split("."))
            is_array = header[1] == "[["
            seen += current == table and is_array
            is_inside = current == table and (not is_array or seen == index)
            if is_inside:
                header_line = number
                if not key:
                    return number
            continue
        found = _KEY.match(line) if is_inside and key else None
        if found is not None and key in found.groups():
            return number
    return header_line or _mention(text, key) or _mention(text, table.rpartition(".")[2])


def _mention(text: str, word: str) -> int:
    """Return the first line with a word, 0 for none: tables written inline or dotted have no header."""
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if word and re.search(rf"\b{re.escape(word)}\b", line)), 0)


def line_in_message(message: str) -> int:
    """Return the line that tomllib names in its message, 0 when it names none."""
    found = re.search(r"at line (\d+)", message)
    return int(found[1]) if found else 0
