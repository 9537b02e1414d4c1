"""The arena: your attack against six hidden networks, your network against eight attacks, judged in a sandbox.

`judge` tries an attack, `defend` a network, `board` shows the places, `reveal` the names of the networks.
"""

import lazy_loader

# Loaded when asked for: the sandbox's process needs `sandbox` alone.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "judging": ["Score", "Verdict", "board", "defend", "draw", "judge", "references", "reveal", "roster", "score"]
    },
)
