"""Markdown files: their headings, links and code blocks."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^(\s*)(```+|~~~+)\s*(.*)$")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
# A block that only tests/docs/check runs.
HIDDEN = re.compile(r"^<!-- run\b(.*)$")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+(?:\([^()\s]*\))?)(?:\s+\"[^\"]*\")?\)")
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")


@dataclass
class Block:
    """A code block: the words after its fence, its text, and its first line's number."""

    path: Path
    line: int
    info: list[str]
    text: str

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    @property
    def language(self) -> str:
        return self.info[0] if self.info else ""


@dataclass
class Link:
    """A link or an image, with its target as it is written."""

    path: Path
    line: int
    target: str

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


@dataclass
class Document:
    path: Path
    anchors: set[str]
    links: list[Link]
    blocks: list[Block]


def files(*patterns: str) -> list[Path]:
    """The files of the repository, ones that are not committed yet included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for path in (ROOT / line for line in listed.splitlines()) if path.is_file()]


def read(path: Path) -> Document:
    document = Document(path, set(), [], [])
    seen: dict[str, int] = {}
    fence = None
    paragraph: list[tuple[int, str]] = []

    def end_paragraph() -> None:
        """A link may go over the end of a line."""
        text = "\n".join(line for _, line in paragraph)
        for match in LINK.finditer(without_code(text)):
            line = paragraph[0][0] + text[: match.start()].count("\n")
            document.links.append(Link(path, line, match[3]))
        paragraph.clear()

    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if fence is not None:
            if line.strip() == fence[1]:
                indent, _, block = fence
                block.text = "".join(f"{text.removeprefix(indent)}\n" for text in block.text.split("\n")[:-1])
                document.blocks.append(block)
                fence = None
            else:
                fence[2].text += f"{line}\n"
            continue
        if start := FENCE.match(line):
            end_paragraph()
            fence = (start[1], start[2], Block(path, number, start[3].split(), ""))
            continue
        if hidden := HIDDEN.match(line):
            end_paragraph()
            fence = ("", "-->", Block(path, number, ["sh", *hidden[1].split()], ""))
            continue
        if heading := HEADING.match(line):
            anchor = slug(heading[1])
            count = seen.get(anchor, 0)
            seen[anchor] = count + 1
            document.anchors.add(f"{anchor}-{count}" if count else anchor)
        if line.strip():
            paragraph.append((number, line))
        else:
            end_paragraph()
    end_paragraph()
    if fence is not None:
        raise SystemExit(f"error: {fence[2].place}: the code block does not end")
    return document


def without_code(text: str) -> str:
    """Blanks in place of code, so that what looks like a link there is none."""
    return CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]) if "](" in match[0] else match[0], text)


def slug(heading: str) -> str:
    """The anchor that GitHub and mdBook give a heading."""
    text = LINK.sub(lambda match: match[2], heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
