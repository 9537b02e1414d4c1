"""Points from a shell, a line of JSON for each notebook: ``python -m course_utils.exercises *.ipynb``."""

import json
import sys

from course_utils.exercises import grading

if __name__ == "__main__":
    if sys.argv[1:2] == ["--judge"]:
        _, _, file, path, *ids = sys.argv
        sys.argv[1:] = []
        grading.work(file, path, ids)
    else:
        for path in sys.argv[1:]:
            print(json.dumps(grading.grade(path), ensure_ascii=False))
