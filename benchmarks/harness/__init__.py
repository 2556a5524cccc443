"""What all programmes share: paired times, the machine's description, files of results, Markdown."""
