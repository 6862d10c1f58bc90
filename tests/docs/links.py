"""Links within the repository: the file exists, and has the heading."""

import markdown


def problems() -> list[str]:
    found = []
    documents = {path: markdown.read(path) for path in markdown.files("*.md")}
    for document in documents.values():
        for link in document.links:
            if reason := problem(link, documents):
                found.append(f"{link.place}: {link.target}: {reason}")
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


def is_item(link: markdown.Link) -> bool:
    inside = link.path.relative_to(markdown.ROOT).parts[0] == "crates"
    return inside and "/" not in link.target and "." not in link.target
