"""Paths that a cohort may name: relative ones that stay below its root."""


def below_the_root(path: str) -> str:
    """The path itself.

    Raises:
        ValueError: it may not be read below a root.
    """
    problem = path_problem(path)
    if problem:
        raise ValueError(f"the path {problem}")
    return path


def path_problem(path: str) -> str | None:
    """Why a path may not be read below a root, or None.

    Only relative paths of plain parts with forward slashes are: a table must not reach out of its folder.
    """
    if not path.strip():
        return "is empty; name a file"
    if "\\" in path:
        return "has a backslash; write forward slashes"
    if path.startswith(("/", "~")) or ":" in path:
        return "is absolute; write it relative to the root"
    if any(part in ("", ".", "..") for part in path.rstrip("/").split("/")):
        return "leaves its folder or has an empty part; write it without '.', '..' and double slashes"
    if not path.isprintable():
        return "has control characters; mend the name"
    return None
