"""Texts of the help."""


def paragraphs(text: str) -> str:
    """Return a text whose paragraphs are single lines, which are broken where the terminal ends."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
