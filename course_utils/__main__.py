"""The course from a shell: ``deep-flaw``, or ``python -m course_utils``.

    deep-flaw doctor                  is this machine fit for the course? a block for a bug report
    deep-flaw verify                  are the data files here and whole?
    deep-flaw fetch imagenet faces    pretrained networks, so that the lessons run without a network later
    deep-flaw list                    the networks that were trained to resist
    deep-flaw retrain small-fast      train one of them again, in the place of its file
    deep-flaw study --help            measure a claim over many networks, here or on a cluster

Each returns 0 where all is well.
"""

import argparse
import sys

from course_utils import data, faces, runtime
from course_utils.core import storage
from course_utils.doctor import doctor
from course_utils.studies import transformer
from course_utils.studies.command import run_command
from course_utils.zoo import imagenet, robust

FETCHED = {"imagenet": imagenet.fetch_weights, "faces": faces.fetch, "transformer": transformer.fetch_transformer}


def main(arguments: list[str] | None = None) -> int:
    """Run one command, by default that of the command line, and return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["study"]:
        return run_command(arguments[1:])
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("deep-flaw", description=__doc__, formatter_class=layout)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in COMMANDS:
        commands.add_parser(command)
    for command, choices in {"fetch": FETCHED, "retrain": None}.items():
        known = ", ".join(choices or ["one of list"])
        commands.choices[command].add_argument("names", nargs="+", choices=choices, metavar="name", help=known)
    given = vars(parser.parse_args(arguments))
    try:
        return COMMANDS[given.pop("command")](**given)
    except KeyboardInterrupt as interrupt:
        runtime.say(f"stopped: {interrupt}" if str(interrupt) else "stopped")
        return 130


def _doctor() -> int:
    diagnosis = doctor()
    runtime.say(diagnosis)
    return int(not diagnosis.healthy)


def _verify() -> int:
    damaged = False
    for folder in (data.CHECKOUT, storage.home() / "MNIST" / "raw"):
        states = data.verify(folder)
        if folder != data.CHECKOUT and set(states.values()) == {"missing"}:
            continue
        runtime.say(folder)
        for name, state in states.items():
            print(f"  {name:28} {state}")
            damaged |= state.startswith("damaged")
    return int(damaged)


def _fetch(names: list[str]) -> int:
    failed = 0
    for name in names:
        try:
            FETCHED[name]()
        except OSError as error:
            runtime.say(f"{name}: {error}")
            failed = 1
        else:
            print(f"{name}: ok")
    return failed


def _list() -> int:
    for name, recipe in robust.RECIPES.items():
        print(f"{name:15} {'here   ' if robust.weights_file(name).exists() else 'missing'}  {recipe.stamp()}")
    return 0


def _retrain(names: list[str]) -> int:
    try:
        recipes = {name: robust.recipe_of(name) for name in names}
        for name, recipe in recipes.items():
            print(f"{name}: {recipe.stamp()}")
            print(f"  measured now: {_percents(robust.retrain(name))}\n  as shipped:   {_percents(recipe.measured)}")
    except (ValueError, OSError) as error:
        runtime.say(error)
        return 1
    return 0


def _percents(found: dict[str, float]) -> str:
    return ", ".join(f"{name} {fraction:.1%}" for name, fraction in found.items())


COMMANDS = {"doctor": _doctor, "verify": _verify, "fetch": _fetch, "list": _list, "retrain": _retrain}

if __name__ == "__main__":
    sys.exit(main())
