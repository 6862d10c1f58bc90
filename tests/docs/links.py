"""Links within the repository: the file exists, and has the heading. So do files that are named as code."""

import re
from pathlib import Path

import markdown

FOLDERS = "aggregator|bench|consumer|crates|dashboard|docs|examples|fuzz|processor|producer|tests|tools|unicorn"
# Notes of the past, and files of benchmarks that are not in the repository.
EXCEPT = {"CHANGELOG.md", "RESULTS.md"}
# What the reader of docs/kinesis-sql.md makes.
MADE = "examples/orders/"
NAMED = re.compile(rf"`((?:(?:{FOLDERS})/[\w./-]*|\.ci/[\w-]+))`")


def problems() -> list[str]:
    found = []
    documents = {path: markdown.read(path) for path in markdown.files("*.md")}
    for document in documents.values():
        for link in document.links:
            if reason := problem(link, documents):
                found.append(f"{link.place}: {link.target}: {reason}")
        found += missing_names(document)
    return found


def problems_of_site(folder: Path) -> list[str]:
    """Links between the pages that mdBook has built."""
    texts = {page.name: page.read_text() for page in folder.glob("*.html") if page.name != "print.html"}
    ids = {name: set(re.findall(r'\bid="([^"]+)"', text)) for name, text in texts.items()}
    found = []
    for page, text in texts.items():
        for target in re.findall(r'\b(?:href|src)="([^":]+)"', text):
            name, _, anchor = target.partition("#")
            name = name or page
            if not (folder / name).exists():
                found.append(f"target/book/{page}: {target}: there is no such file")
            elif anchor and name in ids and anchor not in ids[name]:
                found.append(f"target/book/{page}: {target}: the page has no such heading")
    return found


def problem(link: markdown.Link, documents: dict) -> str | None:
    if "://" in link.target or link.target.startswith("mailto:"):
        return None
    name, _, anchor = link.target.partition("#")
    if name.startswith("/"):
        return "not relative"
    path = (link.path.parent / name).resolve() if name else link.path
    if not path.is_relative_to(markdown.ROOT):
        return "outside of the repository"
    if not path.exists():
        # In the README of a crate it may be an item, as rustdoc has it, which checks it.
        return None if is_item(link) else "there is no such file"
    if anchor and path in documents and anchor not in documents[path].anchors:
        return "the file has no such heading"
    return None


def missing_names(document: markdown.Document) -> list[str]:
    if document.path.name in EXCEPT:
        return []
    where = document.path.relative_to(markdown.ROOT)
    names = NAMED.findall(document.path.read_text())
    folders = (markdown.ROOT, document.path.parent)
    missing = [name for name in names if not any((folder / name).exists() for folder in folders)]
    return [f"{where}: {name}: there is no such file" for name in missing if not name.startswith(MADE)]


def is_item(link: markdown.Link) -> bool:
    inside = link.path.relative_to(markdown.ROOT).parts[0] == "crates"
    return inside and "/" not in link.target and "." not in link.target
