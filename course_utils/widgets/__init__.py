"""Widgets: what a learner plays with in a live notebook, each with a static twin for a page without a kernel."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "explorer": ["attack_explorer"],
        "breeding": ["breed"],
        "sliders": ["controls"],
        "evolution": ["watch_evolution"],
        "surveillance": ["face_camera"],
        "guesses": ["guess"],
        "concentration": ["high_dimensions"],
        "photos": ["photo_attack"],
        "quiz": ["human_quiz"],
        "robustness": ["RobustnessClaim", "robustness_trial"],
        "viewpoint": ["scene_camera"],
        "drawing_pad": ["mnist_like", "sketchpad"],
    },
)
