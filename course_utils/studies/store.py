"""Where the results of studies are kept: one small JSON file a study, the same in the repository and on a machine.

    {"format": 1, "study": "T1", "rule": {...}, "sha256": "...", "units": {"0": {"value": ..., "seconds": ..., ...}}}

The units are written as they come, each under a lock, so that two runs at once add to one file. A file whose rule is
another than today's is refused: verdicts are not moved after the fact.
"""

import json
import os
from pathlib import Path
from typing import Any

from course_utils.core import storage

FORMAT = 1
SHIPPED = Path(__file__).parents[2] / "data" / "studies"  # beside the package, in a checkout
LARGEST = 300_000  # bytes of a file


class Results:
    """The stored units of one study.

    >>> import tempfile
    >>> results = Results(Path(tempfile.mkdtemp()) / "X1.json", "X1", {"cut": 1.0}, "abc")
    >>> results.add("0", {"value": 0.5}), results.units()
    (None, {'0': {'value': 0.5}})
    """

    def __init__(self, file: Path, study: str, rule: dict, sha256: str):
        self.file, self.head = Path(file), dict(format=FORMAT, study=study, rule=rule, sha256=sha256)

    def units(self) -> dict[str, Any]:
        """The finished units by key.

        Raises:
            ValueError: the file is damaged, or was made under another rule.
        """
        if not self.file.exists():
            return {}
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
            sha256, units = found["sha256"], dict(found["units"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{self.file} is damaged ({error}): move it away, and its units are measured again"
            ) from None
        if sha256 != self.head["sha256"]:
            raise ValueError(
                f"{self.file} was measured under another rule than today's (SHA-256 {sha256[:8]}, now "
                f"{self.head['sha256'][:8]}): take the rule back, or move the file away and measure anew"
            )
        return units

    def add(self, key: str, unit: dict[str, Any]) -> None:
        """Keep a finished unit; one that is there already stays.

        Raises:
            ValueError: it is no JSON, a number in it is not finite, or the file would grow beyond `LARGEST`.
        """
        try:
            if unit.get("value") is None:
                raise ValueError("it has no value")
            json.dumps(unit, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"unit {key} cannot be stored ({error}): return a value of finite numbers and lists of them, made by "
                "float(), .item() or .tolist(), or a dict with that as 'value' beside other such"
            ) from error
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with storage.lock(self.file):
            units = self.units()
            units.setdefault(key, unit)
            head = json.dumps(self.head, indent=1, ensure_ascii=False).removesuffix("\n}")
            lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(each)}" for key, each in sorted(units.items()))
            text = f'{head},\n "units": {{\n{lines}\n }}\n}}\n'.encode()  # a line for each unit
            if len(text) > LARGEST:
                raise ValueError(
                    f"unit {key} would make {self.file.name} larger than {LARGEST // 1000} kB: return summaries, such "
                    "as means and quantiles, and not the arrays"
                )
            storage.write_atomically(self.file, text)


def folder(asked: str | os.PathLike | None = None) -> Path:
    """Where results are kept: the folder asked for, otherwise one in the user's cache."""
    return Path(asked) if asked else storage.home("studies")
