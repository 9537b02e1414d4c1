"""Somebody else's attack, run where it cannot reach the judge: a process of its own, and a stand-in for the model.

Code that is handed a model can change its weights, reset a counter, or replace `torch`. So the function moves into a
fresh process; a fork of a kernel that has threads or CUDA is not safe. cloudpickle carries it there, also out of a
notebook; modules that it uses are imported there anew, from the same folders. What comes back is numbers in
safetensors, never pickle: nothing that the worker sends is executed here.

The model stays here. The worker holds a `RemoteModel`: it sends images and gets logits, sends the gradient of its loss
in the logits and gets the gradient in the pixels, which by the chain rule is all that an attack needs:

    x -> f(x),        (x, dL/df) -> (df/dx)^T dL/df

It is no jail: the worker has your own rights on this computer and may read and write your files. It guards a
measurement against mistakes and tricks, not a computer against an enemy.
"""

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from linecache import getline
from pathlib import Path
from typing import BinaryIO

import cloudpickle
import psutil
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from course_utils.evaluation import device_of

PORTION = 256  # images in one message
LARGEST = 2**26  # bytes of a message
LOAD = 2**23  # bytes of a function with all that it refers to
STARTUP = 120  # seconds for a process to start and to import torch
LOOK = 0.1  # seconds between two looks at the worker
KEPT = 2000  # characters of what it prints
NO_MESSAGE = (ValueError, LookupError, TypeError, AttributeError, RuntimeError, safetensors.SafetensorError)
ANEW = (
    "; the attack runs in a process of its own, which imports its modules anew, as their files are now: keep them "
    "beside the notebook or in a folder of sys.path, or write the functions into a cell"
)
COURSE = str(Path(__file__).resolve().parents[1])
LIBRARIES = ("<frozen", *{sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}, *torch.__path__)


class OutOfBudget(Exception):
    """Raised by a `RemoteModel` that was asked for more passes than are left."""


class QueryCounter:
    """Where a model answers and every question is counted.

    ``model`` stands in evaluation mode and is never handed out; ``passes`` images of ``shape`` may go through it,
    forward and backward counted alike.

    >>> counter = QueryCounter(nn.Flatten(), passes=3, shape=(1, 1, 2))
    >>> counter.answer(torch.zeros(2, 1, 1, 2)).shape, counter.left
    (torch.Size([2, 2]), 1)
    """

    def __init__(self, model: nn.Module, passes: int, shape: tuple[int, int, int]):
        self.model, self.left, self.shape = model, passes, tuple(shape)
        self._latest, self._asked = None, set()

    def answer(self, images: Tensor, weights: Tensor | None = None, keep: bool = False) -> Tensor:
        """Logits ``(N, K)``; or with ``weights`` ``(N, K)`` the gradient of ``sum(weights * logits)`` in the images.

        ``keep`` says that the same images will be asked about again with weights. A gradient for images that were not
        asked about before costs their forward pass, too.

        Raises:
            OutOfBudget: fewer passes are left than images were sent; none is counted.
            ValueError: shapes that do not fit.
        """
        if images.shape[1:] != self.shape:
            raise ValueError(f"the model got images of shape {tuple(images.shape)}, not (N, {self.shape})")
        known = hashlib.blake2b(images.contiguous().numpy().tobytes(), digest_size=16).digest()
        passes = len(images) * (1 if weights is None or known in self._asked else 2)
        if passes > self.left:
            raise OutOfBudget(f"{passes} more passes were asked for, and {self.left} are left")
        self.left -= passes
        self._asked.add(known)
        latest, self._latest = self._latest, None
        if weights is None or latest is None or not torch.equal(latest[0], images):
            differentiable = keep or weights is not None
            with torch.set_grad_enabled(differentiable):
                x = images.detach().to(device_of(self.model)).requires_grad_(differentiable)
                latest = images, x, self.model(x.clone())  # one that works in place must not change what is kept
        _, x, logits = latest
        if weights is None:
            self._latest = latest if keep else None
            return logits.detach().cpu()
        if weights.shape != logits.shape:
            raise ValueError(f"the gradient has shape {tuple(weights.shape)} for logits of {tuple(logits.shape)}")
        found = None
        if logits.requires_grad:
            (found,) = torch.autograd.grad(logits, x, weights.to(logits), allow_unused=True)
        return (torch.zeros_like(x) if found is None else found).detach().cpu()


class RemoteModel(nn.Module):
    """A model without weights, which asks a `QueryCounter` elsewhere: ``(N, C, H, W)`` to ``(N, K)``, with a gradient.

    ``left`` is how many passes of an image it may still be asked for, ``budget * len(images)`` to begin with; forward
    and backward count one each. Beyond that it raises `OutOfBudget`.

    >>> model = RemoteModel(QueryCounter(nn.Flatten(), passes=4, shape=(1, 1, 2)).answer, passes=4)
    >>> x = torch.zeros(2, 1, 1, 2, requires_grad=True)
    >>> model(x).sum().backward()
    >>> x.grad.sum().item(), model.left
    (4.0, 0)
    """

    def __init__(self, ask: Callable[..., Tensor], passes: int):
        super().__init__()
        self._ask, self.left = ask, passes

    def forward(self, images: Tensor) -> Tensor:
        if not isinstance(images, Tensor) or images.ndim != 4 or not len(images):
            found = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise ValueError(f"the model takes images (N, C, H, W), and got {found}")
        parts = [_Pass.apply(part, self) for part in images.float().split(PORTION)]
        return torch.cat(parts).to(images.device, images.dtype)

    def ask(self, images: Tensor, *weights: Tensor, keep: bool = False) -> Tensor:
        answer = self._ask(images.detach().cpu(), *(each.detach().cpu() for each in weights), keep=keep)
        self.left -= len(images)
        return answer.to(images.device)


class _Pass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images: Tensor, model: RemoteModel) -> Tensor:
        ctx.save_for_backward(images)
        ctx.model = model
        return model.ask(images, keep=ctx.needs_input_grad[0])

    @staticmethod
    @once_differentiable
    def backward(ctx, weights: Tensor) -> tuple[Tensor, None]:
        (images,) = ctx.saved_tensors
        try:
            weights = weights.detach()
        except RuntimeError as error:  # a batch of gradients that cannot be looked into
            hint = "leave out is_grads_batched, as in DeepFool"
            raise ValueError(f"this model gives one gradient at a time: {hint}") from error
        return ctx.model.ask(images, weights), None


class Worker:
    """A process that runs one function, ``attack(model, images, labels, eps, budget)``, as often as it is visited.

    What the function refers to goes with it; ``seconds`` are for all visits together, ``memory`` in bytes comes on top
    of what torch takes. A ValueError says that it cannot be sent, or carries more than 8 MB with it. Use it in a
    ``with`` statement, at the end of which the process is gone.
    """

    def __init__(self, attack: Callable, *, seconds: float, memory: int):
        self._load = _packed(attack)
        self.seconds, self.memory = seconds, memory
        self.trouble = ""  # why the process is gone
        self._said, self._base = b"", 0  # what it printed; bytes that it used before it got the function

    def __enter__(self) -> "Worker":
        self._folder = tempfile.TemporaryDirectory(prefix="arena-", ignore_cleanup_errors=True)
        Path(self._folder.name, "attack").write_bytes(self._load)
        folders = [os.path.abspath(folder) for folder in sys.path if isinstance(folder, str)]  # "" is the working one
        start = (  # libraries first: a learner's random.py is no more in torch's way than here
            "import sys; own = sys.argv[1:]; sys.path += own; from course_utils.arena import sandbox; "
            f"sys.path[:] = own; sandbox._serve({self.seconds}, {self.memory})"
        )
        own = dict(COURSE_HOME=self._folder.name, COURSE_DEVICE="cpu", COURSE_STATIC="1", CUDA_VISIBLE_DEVICES="")
        own |= dict(OMP_NUM_THREADS="1", PYTHONIOENCODING="utf-8:replace", PYTHONPATH=os.path.dirname(COURSE))
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-c", start, *folders],
            **pipes,
            env=os.environ | own,
            cwd=self._folder.name,
            start_new_session=os.name == "posix",
        )
        self._until = time.monotonic() + STARTUP
        self._clerk = ThreadPoolExecutor(1)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop()
        self._clerk.shutdown()
        self._listener.join(5)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(OSError):
                pipe.close()
        self._folder.cleanup()

    @property
    def said(self) -> str:
        """What the function printed, without progress bars: the last lines of it."""
        lines = self._said.decode(errors="replace").splitlines(keepends=True)
        return "".join(line for line in lines if "\r" not in line and "it/s]" not in line).strip()

    def visit(
        self, counter: QueryCounter, images: Tensor, labels: Tensor, eps: float, budget: int
    ) -> tuple[Tensor | None, str]:
        """What the function returned, float32, and ""; or None, and what went wrong.

        Any numbers may come back, NaN among them: whether they count is for the judge to say.
        """
        if self.trouble:
            return None, f"not reached: {self.trouble}"
        task = {"labels": labels.tolist(), "eps": eps, "budget": budget, "passes": counter.left}
        talk = self._clerk.submit(self._talk, counter, task, images)
        try:
            while not wait([talk], LOOK).done:
                self._limit()
            return talk.result()
        except (EOFError, OSError):
            code = self._stop()
            self.trouble = self.trouble or f"its process ended (exit code {code}): does the code call exit?"
        except NO_MESSAGE as error:
            self._stop()
            self.trouble = f"its process wrote to the judge's pipe by itself ({type(error).__name__}: {error})"
        except BaseException:  # an interrupt
            self._stop()
            raise
        return None, self.trouble

    def _talk(self, counter: QueryCounter, task: dict, images: Tensor) -> tuple[Tensor | None, str]:
        if not self._base:
            _receive(self._process.stdout)  # it has started
            self._base = _used(self._process.pid)
            self._until = time.monotonic() + self.seconds
        _send(self._process.stdin, task, images)
        while True:
            head, tensors = _receive(self._process.stdout)
            if head["kind"] == "done":
                return tensors[0], ""
            if head["kind"] == "failed":
                return None, _told(head)
            try:
                answer = counter.answer(*tensors, keep=head["keep"])
            except (OutOfBudget, ValueError) as error:
                _send(self._process.stdin, {"spent": isinstance(error, OutOfBudget), "refused": str(error)})
            else:
                _send(self._process.stdin, {"refused": ""}, answer)

    def _limit(self) -> None:
        """End what takes too long or too much."""
        if time.monotonic() > self._until:
            limit = self.seconds if self._base else STARTUP
            self.trouble = f"stopped after {limit:g} s: is there a loop that never ends?"
        elif self._base and _used(self._process.pid) - self._base > self.memory:
            self.trouble = f"stopped at {self.memory / 2**30:.2g} GiB of memory"
        if self.trouble:
            self._stop()

    def _stop(self) -> int:
        """End the process and all that it has started; its exit code."""
        if self._process.returncode is not None:  # its number may be another's by now
            return self._process.returncode
        children = []
        with suppress(psutil.Error):
            children = psutil.Process(self._process.pid).children(recursive=True)
        if not self.trouble:  # it may be on its way out: its own exit code says more
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)
        for each in (self._process, *children):
            with suppress(psutil.Error):
                each.kill()
        if os.name == "posix":  # orphans are in its group still
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def _listen(self) -> None:
        with suppress(OSError, ValueError):
            while said := self._process.stderr.read1(2**16):
                self._said = (self._said + said)[-KEPT:]


def _packed(attack: Callable) -> bytes:
    if not callable(attack) or isinstance(attack, nn.Module):
        raise ValueError(f"the attack is a {type(attack).__name__}: pass the function itself, without brackets")
    try:
        load = cloudpickle.dumps(attack)
    except Exception as error:  # whatever the objects that it refers to raise
        raise ValueError(
            f"the attack cannot be sent to a process of its own ({type(error).__name__}: {error}): keep what it refers "
            "to plain: functions, numbers, tensors, modules"
        ) from error
    if len(load) > LOAD:
        raise ValueError(
            f"the attack carries {len(load) / 2**20:.0f} MB with it, and {LOAD / 2**20:.0f} are allowed: it refers to "
            "something large, a data set perhaps. It gets its images as an argument"
        )
    return load


def _used(pid: int) -> int:
    """Bytes in memory that a process and its children use; 0 when it is gone."""
    try:
        process = psutil.Process(pid)
        return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])
    except psutil.Error:
        return 0


def _told(head: dict) -> str:
    """An error in the worker, at the line of its own code: the text of that line is known here, not there."""
    what = str(head["error"])
    for file, number, name in head["frames"][-1:]:
        line = getline(str(file), int(number)).strip()
        what += f" (line {number} of {name}" + (f": `{line}`)" if line else ")")
    return what + ANEW if head["importing"] else what


# Messages: their length, then safetensors: a text in JSON, and float32 numbers. ------------------------------------


def _send(pipe: BinaryIO, head: dict, *tensors: Tensor) -> None:
    parts = {str(i): each.detach().float().cpu().contiguous().clone() for i, each in enumerate(tensors)}
    parts["head"] = torch.frombuffer(bytearray(json.dumps(head).encode()), dtype=torch.uint8)
    message = safetensors.torch.save(parts)
    pipe.write(len(message).to_bytes(8, "little") + message)
    pipe.flush()


def _receive(pipe: BinaryIO) -> tuple[dict, list[Tensor]]:
    """The next message. Whoever wrote it is not trusted: EOFError is the end, NO_MESSAGE what came and is none."""
    prefix = pipe.read(8)
    size = int.from_bytes(prefix, "little")
    if size > LARGEST:
        raise ValueError(f"a message of {size} bytes")
    content = pipe.read(size)
    if len(prefix) < 8 or len(content) < size:
        raise EOFError
    parts = safetensors.torch.load(content)
    head = json.loads(parts.pop("head").numpy().tobytes())
    return head, [parts[str(i)].float() for i in range(len(parts))]


# The other side: what runs in the process of its own. ---------------------------------------------------------------


def _serve(seconds: float, memory: int) -> None:
    inlet, outlet = _pipes()
    _restrict(seconds, memory)
    _send(outlet, {"kind": "ready"})

    def ask(*tensors, keep=False):
        _send(outlet, {"kind": "ask", "keep": keep}, *tensors)
        head, answer = _receive(inlet)
        if head["refused"]:
            raise (OutOfBudget if head["spent"] else ValueError)(head["refused"])
        return answer[0]

    attack = None
    while True:
        try:
            task, (images,) = _receive(inlet)
        except EOFError:
            return
        model, labels = RemoteModel(ask, task["passes"]).eval(), torch.tensor(task["labels"])
        try:
            attack = attack or cloudpickle.loads(Path("attack").read_bytes())
            result = attack(model, images.clone(), labels, task["eps"], task["budget"])
            if result is None:
                raise TypeError("the attack returned None: is the `return` missing?")
            if not isinstance(result, Tensor):
                raise TypeError(f"the attack returned a {type(result).__name__}, not a tensor of images")
            if result.dtype != images.dtype:
                raise TypeError(f"the attack returned {result.dtype}, not {images.dtype}: end with .float()")
            _send(outlet, {"kind": "done"}, result)
        except BaseException as error:
            frames = [
                (frame.filename, frame.lineno, frame.name)
                for frame in traceback.extract_tb(error.__traceback__)
                if not frame.filename.startswith((COURSE, *LIBRARIES, "<string>"))
            ]
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"[:1000].rstrip(": ")
            importing = attack is None or isinstance(error, ImportError)
            _send(outlet, {"kind": "failed", "error": what, "frames": frames[-1:], "importing": importing})


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """The judge's two pipes, kept from ``print`` and ``input``."""
    inlet, outlet = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    if os.name == "nt":
        import msvcrt

        for pipe in (inlet, outlet):
            msvcrt.setmode(pipe.fileno(), os.O_BINARY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return inlet, outlet


def _restrict(seconds: float, memory: int) -> None:
    """The system's own limits where it has them, so that too much memory is an error at the line that asks for it."""
    try:
        import resource
    except ImportError:  # Windows: the judge watches alone
        return
    limits = {
        resource.RLIMIT_AS: psutil.Process().memory_info().vms + memory,
        resource.RLIMIT_CPU: math.ceil(2 * seconds) + STARTUP,  # in case that the judge is gone
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))
