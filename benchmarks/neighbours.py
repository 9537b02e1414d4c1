"""What nearest neighbours cost beside the bare matrix product and beside other people's searches, and what is read off.

usage: python benchmarks/neighbours.py [--quick]

Digits against digits, then the dimension of the digits by each estimator, beside scikit-dimension on the same images.
The sides run in turn, each after a warm-up, and the medians are compared. The memory is what a fresh process
takes at its peak, beyond the digits. --quick takes fewer digits and turns.
"""

import argparse
import statistics
import subprocess
import sys
import threading
import time
import warnings

import psutil
import torch

from course_utils import data, figures, runtime
from course_utils.manifold import local_pca, mle, nearest, two_nn

K = 20


def images(number=None):
    return data.mnist(runtime.device()).train.images[:number]


def product(queries, points):
    return queries.flatten(1) @ points.flatten(1).T


def ours(queries, points):
    own = torch.arange(len(queries), device=points.device)
    return nearest(queries, points, K, own=own, progress=False).distances


def cdist(queries, points):
    distances = torch.cdist(queries.flatten(1), points.flatten(1))
    return distances.topk(K + 1, dim=1, largest=False).values[:, 1:]


def faiss(queries, points):
    import faiss

    index = faiss.IndexFlatL2(points[0].numel())
    index.add(points.flatten(1).cpu().numpy())
    squares, _ = index.search(queries.flatten(1).cpu().numpy(), K + 1)
    return torch.from_numpy(squares[:, 1:]).clamp_min(0).sqrt()


def sklearn(queries, points):
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=K + 1, algorithm="brute").fit(points.flatten(1).cpu().numpy())
    return torch.from_numpy(index.kneighbors(queries.flatten(1).cpu().numpy())[0][:, 1:])


SIDES = {
    "bare product": product,
    "nearest": ours,
    "torch.cdist and topk": cdist,
    "faiss IndexFlatL2": faiss,
    "scikit-learn, brute force": sklearn,
}


def now():
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def in_turn(sides, queries, points, turns):
    """Median seconds and last result of each side, over turns in which all of them run."""
    taken, results = {name: [] for name in sides}, {}
    for turn in range(turns + 1):
        for name, side in sides.items():
            results.pop(name, None)
            start = now()
            results[name] = side(queries, points)
            if turn or not turns:
                taken[name].append(now() - start)
    return {name: statistics.median(each) for name, each in taken.items()}, results


def exact(queries, points):
    """The distances in float64, from the differences themselves."""
    queries, points = queries.flatten(1).double(), points.flatten(1).double()
    sorted_ = [(points - query).norm(dim=1).topk(K + 1, largest=False).values[1:] for query in queries]
    return torch.stack(sorted_)


def peak(name, queries, points):
    """MiB that one side takes at its peak in a fresh process; "-" on a GPU."""
    if points.device.type != "cpu":
        return "-"
    command = [sys.executable, __file__, "--memory", name, str(len(queries)), str(len(points))]
    return f"{float(subprocess.run(command, capture_output=True, text=True, check=True).stdout):.0f}"


def memory(name, queries, points):
    """Run one side on random images of the size of digits, and print how much the process grew meanwhile, in MiB."""
    points = torch.rand(int(points), 1, 28, 28)
    queries = points[: int(queries)]
    SIDES[name](queries[:64], points[:200])
    process, done = psutil.Process(), threading.Event()
    before = highest = process.memory_info().rss

    def watch():
        nonlocal highest
        while not done.wait(0.002):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    SIDES[name](queries, points)
    done.set()
    watcher.join()
    print((highest - before) / 2**20)


def search(queries, points, turns):
    sides = {}
    for name, side in SIDES.items():
        try:
            side(queries[:64], points[:200])
            sides[name] = side
        except ImportError as missing:
            print(f"{missing}: for the comparison, pip install faiss-cpu scikit-learn")
    seconds, results = in_turn(sides, queries, points, turns)
    truth = exact(queries[:50], points)
    rows = []
    for name, taken in seconds.items():
        beside = f"{taken / seconds['bare product']:.2f}"
        off = "-"
        if name != "bare product":
            off = f"{(results[name][:50].to(truth) / truth - 1).abs().max():.0e}"
        results[name] = None
        rows.append([name, f"{taken:.2f}", beside, peak(name, queries, points), off])
    print(f"{len(queries):,} digits against {len(points):,}, {K} neighbours, medians of {turns}; goal for nearest: 1.3")
    head = ["", "seconds", "beside the product", "memory at its peak, MiB", "largest error, relative"]
    print(figures.Table(head, rows), end="\n\n")


def growth(points, numbers):
    """The same for more and more queries: seconds for each thousand and memory must not grow."""
    rows = []
    for number in numbers:
        start = now()
        ours(points[:number], points)
        taken = now() - start
        each = f"{1000 * taken / number:.2f}"
        rows.append([f"{number:,}", f"{taken:.1f}", each, peak("nearest", points[:number], points)])
    print(f"nearest, {len(points):,} points, once each")
    print(figures.Table(["queries", "seconds", "for each 1,000", "memory at its peak, MiB"], rows), end="\n\n")


def dimension(points):
    """Every estimator on the same digits among themselves, and scikit-dimension's."""
    own = torch.arange(len(points), device=points.device)
    start = now()
    found = nearest(points, points, K, own=own, progress=False)
    shared = now() - start
    estimates = {
        f"mle, k = {K}": lambda: mle(found.distances),
        "two_nn": lambda: two_nn(found.distances),
        "local_pca, share 0.95, 1,000 queries": lambda: local_pca(points[:1000], points, found.rows[:1000]),
    }
    theirs = by_skdim(points, found)
    rows = []
    for name, estimate in estimates.items():
        start = now()
        value = estimate().item()
        taken, row = now() - start, [name, f"{value:.4f}"]
        row += [f"{shared + taken:.2f}", f"{1000 * taken:.1f}"]
        if name in theirs:
            start = now()
            other = theirs[name]()
            row += [f"{other:.4f}", f"{now() - start:.2f}"]
        rows.append(row + ["-"] * (6 - len(row)))
    print(f"{len(points):,} digits among themselves; ours in float32, the search for all three took {shared:.2f} s")
    head = ["", "ours", "with the search, s", "without, ms", "scikit-dimension", "its seconds"]
    print(figures.Table(head, rows), end="\n\n")


def by_skdim(points, found):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from skdim.id import MLE, TwoNN, lPCA
        except ImportError as missing:
            print(f"{missing}: for the comparison, pip install scikit-dimension")
            return {}
    flat = points.flatten(1).double().cpu().numpy()

    def pca():
        near = torch.cat([torch.arange(1000)[:, None], found.rows[:1000].cpu()], 1).numpy()
        return sum(lPCA(ver="ratio", alphaRatio=0.95).fit(flat[rows]).dimension_ for rows in near) / len(near)

    return {
        f"mle, k = {K}": lambda: MLE().fit(flat, n_neighbors=K, comb="mle").dimension_,
        "two_nn": lambda: TwoNN().fit(flat).dimension_,
        "local_pca, share 0.95, 1,000 queries": pca,
    }


def by_k(points):
    """The dimension of the digits at several k, and what the denominator k - 2 makes of it."""
    own = torch.arange(len(points), device=points.device)
    distances = nearest(points, points, K, own=own, progress=False).distances
    rows = []
    for k in (3, 5, 10, 20):
        value = mle(distances[:, :k]).item()
        rows.append([k, f"{value:.2f}", f"{value * (k - 2) / (k - 1):.2f}"])
    rows.append(["2, two_nn", f"{two_nn(distances).item():.2f}", "-"])
    print(f"dimension of {len(points):,} digits")
    print(figures.Table(["k", "mle", "with k - 2 in the denominator"], rows), end="\n\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer digits and turns: under a minute on two cores")
    parser.add_argument("--part", choices=["search", "growth", "dimension", "by_k"], help="one table alone")
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        return memory(*options.memory)
    points = images(20_000 if options.quick else None)
    print(f"on {points.device}, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    parts = {
        "search": lambda: search(points[: 1000 if options.quick else 4000], points, 1 if options.quick else 3),
        "growth": lambda: growth(points, (1000, 4000) if options.quick else (1000, 4000, 16_000, len(points))),
        "dimension": lambda: dimension(points[: 2000 if options.quick else 10_000]),
        "by_k": lambda: by_k(points),
    }
    for name, part in parts.items():
        if options.part in (None, name):
            part()


if __name__ == "__main__":
    main()
