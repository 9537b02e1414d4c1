"""A camera to move: what a slider does to the picture, and the curve that the picture draws among all pictures.

A picture of n pixels is a point in n dimensions. A plane through a thousand of such points, the one in which they
spread most (their first two principal components), is what a screen can show of it. On the way to where the sliders
stand now, pictures are rendered in small steps, so that the trail is the curve itself, however fast the hand.
"""

import math

import torch
from torch import Tensor

from course_utils import figures, runtime
from course_utils.images import scenes
from course_utils.widgets.base import Widget, to_bytes

SIZE = 28  # pixels along a side
VIEWS = 1000  # in the cloud
STRIDE = 0.05  # between two points of the trail, as a fraction of a slider's half
KEPT = 4000  # points of the trail; the oldest go first
SWEEPS = {"yaw": figures.CLEAN, "up": figures.DEFENDED, "zoom": figures.ADVERSARIAL}  # of the static twin
GROUPS = {"Turn the scene": scenes.POSE[:3], "Move the camera, {} units from the scene": scenes.POSE[3:6]}
GROUPS |= {"Lens": scenes.POSE[6:7], "Light": scenes.POSE[7:]}


def scene_camera(scene: scenes.Scene):
    """A slider for each number of the camera and the light, the picture, and its trail among 1,000 random views."""
    if not isinstance(scene, scenes.Scene):
        hint = "pass scenes.DESK or one of scenes.OBJECTS"
        raise TypeError(f"the scene is a {type(scene).__name__}, not a Scene: {hint}")
    with runtime.one_thread():
        return SceneCamera.show(ViewPlane(scene))


class ViewPlane:
    """A scene's pictures, and the plane of the first two principal components of random views of it."""

    def __init__(self, scene: scenes.Scene):
        self.scene = scene
        self.home = self.render(torch.zeros(1, len(scenes.POSE), dtype=torch.float32))
        views = scene.render(scenes.random_poses(VIEWS, free=len(scenes.POSE)), SIZE).flatten(1)
        self.middle = views.mean(0)
        _, lengths, axes = torch.linalg.svd(views - self.middle, full_matrices=False)
        self.axes = axes[:2].T
        self.explained = (lengths.square() / lengths.square().sum())[:2].tolist()  # fractions of the variance
        self.cloud = (views - self.middle) @ self.axes
        self.usual = torch.pdist(views).mean().item()  # distance of two random views

    def render(self, sliders: Tensor) -> Tensor:
        """Pictures for rows of slider positions in [-1, 1]."""
        return self.scene.render(sliders * scenes.REACH, SIZE)

    def project(self, images: Tensor) -> Tensor:
        return (images.flatten(1) - self.middle) @ self.axes


class SceneCamera(Widget):
    """Where the sliders stand, the picture, and the trail of it in the plane."""

    def __init__(self, plane: ViewPlane):
        super().__init__()
        self.plane = plane
        self.sliders = torch.zeros(len(scenes.POSE), dtype=torch.float32)
        self.image, self.trail = plane.home, plane.project(plane.home)

    @staticmethod
    def still(plane: ViewPlane) -> figures.Picture:
        """Five views along each of three sweeps, and the curves of the sweeps in the plane."""
        canvas, axes = figures.figure(figures.ROW, 3.7, nrows=3, ncols=6, width_ratios=[1] * 5 + [5])
        for axis in axes[:, 5]:
            axis.remove()
        plot = canvas.add_subplot(axes[0, 0].get_gridspec()[:, 5])
        lengths = [_sweep(plane, name, row, plot) for name, row in zip(SWEEPS, axes, strict=True)]
        plot.scatter(*plane.cloud.T, s=3, color="#BBBBBB", linewidths=0, zorder=0)
        x, y = plane.project(plane.home)[0].tolist()
        plot.plot(x, y, "o", mfc="white", color="black", ms=7)
        plot.annotate("home", (x, y), xytext=(8, -12), textcoords="offset points")
        plot.set_aspect("equal")
        first, second = map(figures.percent, plane.explained)
        plot.set(xlabel=f"first principal component ({first} of the variance)", ylabel=f"second ({second})")
        plot.set_title("A sweep of the camera is a curve:\n" + "\n".join(lengths), fontsize=10)
        return figures.picture(
            canvas,
            f"Views of a scene along three sweeps of the camera, {', '.join(SWEEPS)}, and the curves that they draw in "
            f"the plane where {VIEWS:,} random views, grey, spread most. From end to end, over all pixels: "
            f"{'; '.join(lengths)}. Two random views lie {plane.usual:.1f} apart on average.",
        )

    def picture(self) -> figures.Picture:
        return figures.images(self.image, alt=f"The view of a camera, {self._moved()} from home.")

    def obey(self, do: str, sliders: list[float] = ()) -> tuple[dict, list[bytes]]:
        """ "show"; "move" to nine numbers in [-1, 1]; "clear" the trail. Buffers: picture, trail and cloud."""
        with runtime.one_thread():
            if do == "move":
                self._move(self.sliders.new_tensor(sliders).clamp(-1, 1))
            elif do == "clear":
                self.trail = self.trail[-1:]
        values = (self.sliders * scenes.REACH).tolist()
        texts = {
            "groups": [[title.format(self.plane.scene.distance), list(names)] for title, names in GROUPS.items()],
            "sliders": self.sliders.tolist(),
            "texts": [readout(name, value) for name, value in zip(scenes.POSE, values, strict=True)],
            "moved": self._moved(),
            "usual": f"{self.plane.usual:.2f}",
            "home": self.plane.project(self.plane.home)[0].tolist(),
            "explained": [figures.percent(fraction) for fraction in self.plane.explained],
            "size": SIZE,
        }
        return texts, [to_bytes(self.image), *(points.numpy().tobytes() for points in (self.trail, self.plane.cloud))]

    def _moved(self) -> str:
        return f"{(self.image - self.plane.home).norm():.2f}"

    def _move(self, goal: Tensor) -> None:
        way = goal - self.sliders
        steps = max(1, round(way.abs().max().item() / STRIDE))
        images = self.plane.render(goal - way * torch.arange(steps - 1, -1, -1)[:, None].to(way) / steps)
        trail = torch.cat([self.trail, self.plane.project(images)])[-KEPT:]
        self.sliders, self.image, self.trail = goal, images[-1:], trail


def readout(name: str, value: float) -> str:
    """The value of one of `scenes.POSE` as a learner reads it: degrees, units of length, a factor for the zoom."""
    if name == "zoom":
        return f"× {math.exp(value):.2f}"
    text = f"{value:+.2f} units" if name in scenes.POSE[3:6] else f"{math.degrees(value):+.0f}°"
    return text.replace("-", "−") if abs(value) > 1e-6 else text.replace("+", "").replace("0.00", "0")


def _sweep(plane: ViewPlane, name: str, row, plot) -> str:
    """Draw five views along one sweep into a row of axes, and its curve into the plane; says how long it is."""
    color, at = SWEEPS[name], scenes.POSE.index(name)
    sliders = torch.zeros(101, len(scenes.POSE), dtype=torch.float32)
    sliders[:, at] = torch.linspace(-1, 1, 101)
    images = plane.render(sliders)
    x, y = plane.project(images).T
    plot.plot(x, y, color=color)
    plot.plot(x[::25], y[::25], "o", color=color, ms=4)
    away = images.new_tensor([x[-1] - x[50], y[-1] - y[50]])  # from home
    label = dict(textcoords="offset points", ha="center", va="center", color=color)
    plot.annotate(name, (x[-1], y[-1]), xytext=(18 * away / away.norm()).tolist(), **label)
    for axis, k in zip(row, range(0, 101, 25), strict=False):  # the sixth axis is the plane's
        value = readout(name, (sliders[k, at] * scenes.REACH[at]).item())
        figures.show(axis, images[k], value.removesuffix(" units"), color=color)
    row[0].set_ylabel(name, color=color)
    along, straight = images.diff(dim=0).flatten(1).norm(dim=1).sum(), (images[-1] - images[0]).norm()
    return f"{name} {along:.1f} along the curve, {straight:.1f} straight"
