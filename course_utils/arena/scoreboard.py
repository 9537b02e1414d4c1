"""The score board of the arena, in the learner's record as the ledger is.

It holds the latest trial of each attack and of each defense, and how often each was tried: the best of many trials is
luck as much as skill. It also holds the secret number that decides which network is called A.
"""

import secrets
import time
from collections.abc import Callable

from course_utils.core.storage import JsonStore

SIDES = {
    "attacks": {"name": str, "reference": bool, "images": int, "correct": float, "passes": float, "accuracy": dict},
    "defenses": {"name": str, "eps": float, "images": int, "accuracy": dict, "by": str, "notes": list},
}


def _check(board: dict) -> None:
    for side, keys in SIDES.items():
        wanted = keys | {"trials": int, "date": str}
        for entry in board[side]:
            wrong = [key for key, kind in wanted.items() if not isinstance(entry[key], kind)]
            wrong += [key for key, value in entry["accuracy"].items() if not isinstance(value, float)]
            if wrong:
                raise ValueError(f"{', '.join(wrong)} of the type that does not belong there")
    if type(board["secret"]) is not int or type(board["revealed"]) is not bool:
        raise ValueError("its secret is no number")


def _adopt(_: dict, stem: str, board: dict) -> dict:
    for entry in [*board["attacks"], *board["defenses"]]:
        entry["accuracy"] = entry.pop("shares")
    for entry in board["attacks"]:
        entry["correct"] = entry.pop("kept")
    return board


STORE = JsonStore("arena", fresh=dict, check=_check, former="arena.json", adopt=_adopt)


def read(stamp: str, *changes: Callable[[dict], object]) -> dict:
    """The board as a dictionary, after ``changes`` to it: "attacks", "defenses", "secret", "revealed".

    ``stamp`` says which networks the arena has. Attacks on others cannot be compared: if it has changed, they are gone,
    and the letters are dealt anew.

    >>> board = read("six nets")
    >>> board["attacks"], read("six nets")["secret"] == board["secret"]
    ([], True)
    """
    secret = secrets.randbits(32)

    def deal(board: dict) -> None:
        if board.get("stamp") != stamp:
            board.setdefault("defenses", [])
            board.update(stamp=stamp, secret=secret, revealed=False, attacks=[])

    return STORE.update(deal, *changes)


def enter(stamp: str, side: str, entry: dict) -> None:
    """Put a trial on a side of the board, in the place of the earlier one of that name.

    Raises:
        ValueError, KeyError: an entry that lacks something; says what.
    """

    def put(board: dict) -> None:
        before = [other for other in board[side] if other["name"] == entry["name"]]
        trials = 1 + sum(other["trials"] for other in before)
        board[side] = [other for other in board[side] if other not in before]
        board[side].append(entry | {"trials": trials, "date": time.strftime("%Y-%m-%d")})

    read(stamp, put)
