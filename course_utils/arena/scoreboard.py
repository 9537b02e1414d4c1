"""The score board of the arena: a small file of your own (``arena.json`` in `storage.home`), as the ledger is.

It holds the latest trial of each attack and of each defense, and how often each was tried: the best of many trials is
luck as much as skill. It also holds the secret number that decides which network is called A.
"""

import json
import secrets
import time
import warnings

from course_utils.core import storage

SIDES = {
    "attacks": {"name": str, "reference": bool, "images": int, "kept": float, "passes": float, "shares": dict},
    "defenses": {"name": str, "eps": float, "images": int, "shares": dict, "by": str, "notes": list},
}


def read(stamp: str) -> dict:
    """The board as a dictionary: "attacks", "defenses", "secret", "revealed".

    ``stamp`` says which networks the arena has. Attacks on others cannot be compared: if it has changed, they are gone,
    and the letters are dealt anew.

    >>> board = read("six nets")
    >>> board["attacks"], board["revealed"]
    ([], False)
    >>> read("six nets")["secret"] == board["secret"]
    True
    """
    with storage.lock("arena"):
        return _read(stamp)


def enter(stamp: str, side: str, entry: dict) -> None:
    """Put a trial on a side of the board, in the place of the earlier one of that name.

    Raises:
        ValueError: an entry that lacks something; says what.
    """
    entry = entry | {"trials": 1, "date": time.strftime("%Y-%m-%d")}
    _check(side, entry)
    with storage.lock("arena"):
        board = _read(stamp)
        before = [other for other in board[side] if other["name"] == entry["name"]]
        entry["trials"] += sum(other["trials"] for other in before)
        board[side] = [other for other in board[side] if other["name"] != entry["name"]] + [entry]
        _write(board)


def reveal(stamp: str) -> dict:
    """The board, from now on with the names of the networks."""
    with storage.lock("arena"):
        board = _read(stamp) | {"revealed": True}
        _write(board)
    return board


def _read(stamp: str) -> dict:
    """The board in the file, or a new one. A file that cannot be read is put aside under another name, and said so."""
    file, board = storage.home() / "arena.json", {}
    try:
        board = json.loads(file.read_text(encoding="utf-8"))
        for side in SIDES:
            for entry in board[side]:
                _check(side, entry)
        if type(board["secret"]) is not int or type(board["revealed"]) is not bool:
            raise ValueError("its secret is no number")
    except FileNotFoundError:
        board = {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        board, aside = {}, storage.put_aside(file, ".damaged.json")
        warnings.warn(f"the score board could not be read ({error!r}); it now lies in {aside}", stacklevel=4)
    if board.get("stamp") != stamp:
        new = {"stamp": stamp, "secret": secrets.randbits(32), "revealed": False, "attacks": []}
        board = {"defenses": []} | board | new
        _write(board)
    return board


def _check(side: str, entry: dict) -> None:
    wanted = SIDES[side] | {"trials": int, "date": str}
    wrong = [key for key, kind in wanted.items() if not isinstance(entry[key], kind)]
    wrong += [key for key, share in entry["shares"].items() if not isinstance(share, float)]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} of the type that does not belong there")


def _write(board: dict) -> None:
    """Keep the board; where that fails, the trial that is over must not be lost with it."""
    try:
        storage.write_atomically(storage.home() / "arena.json", json.dumps(board, indent=1).encode())
    except OSError as error:
        warnings.warn(f"the score board could not be kept ({error})", stacklevel=5)
