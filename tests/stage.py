"""An empty page in which tests put widgets, and what they ask and show them."""

import io
import math
import os
import shutil

import numpy as np
import torch
from torch import nn

CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
STAGE = """async ([esm, css, views, traits]) => {
    const file = new Blob([esm], { type: "text/javascript" })
    const { default: module } = await import(URL.createObjectURL(file))
    document.head.innerHTML = `<style>${css}</style>`
    const hearers = []
    const widget = typeof module === "function" ? module() : module
    window.asked = []
    window.open = 0
    window.most = 0
    const model = {
        get: (name) => traits[name],
        on: (event, hear) => event === "msg:custom" && hearers.push(hear), off: () => {},
        send: async (message) => {
            window.asked.push(message.do)
            window.most = Math.max(window.most, ++window.open)
            const [answer, parts] = await kernel(message)
            window.open--
            const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
            hearers.forEach((hear) => hear(answer, parts.map((text) => new DataView(bytes(text).buffer))))
        },
    }
    widget.initialize?.({ model })
    for (let i = 0; i < views; i++) {
        const el = document.createElement("div")
        document.body.append(el)
        widget.render({ model, el })
    }
}"""


def show(page, widget, views=1):
    """Render views of a widget into a page; ``kernel`` must be there already."""
    traits = {name: value for name, value in widget.get_state().items() if isinstance(value, int | str | list)}
    page.evaluate(STAGE, [widget._esm, widget._css, views, traits])


def ask(widget, do, **choice):
    answer, buffers = widget.answer({"page": 7, "do": do, **choice})
    assert answer["page"] == 7
    return answer, buffers


def count_passes(network):
    """A list that grows by one with each forward pass of the network."""
    passes = []
    network.register_forward_hook(lambda *_: passes.append(1))
    return passes


def tiny(classes, shape=(1, 8, 8)):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), classes))


HALVES = np.zeros((40, 60, 3), dtype=np.uint8)
HALVES[:, :30] = 250, 0, 0  # red at the left
HALVES[:, 30:] = 0, 0, 250


def stored(picture, kind="png", **how):
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


class interrupted(nn.Module):
    """``net``, in whose pass number ``at`` the stop button is pressed."""

    def __init__(self, net, at):
        super().__init__()
        self.net, self.passes, self.at = net, 0, at

    def forward(self, images):
        self.passes += 1
        if self.passes == self.at:
            raise KeyboardInterrupt
        return self.net(images)
