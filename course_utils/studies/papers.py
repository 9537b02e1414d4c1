"""Numbers that papers report, for each row: a stand-in until the table is here."""


def of(row: str) -> list:
    """What was reported for a row."""
    return []
