"""What nearest neighbours cost beside the bare matrix product and beside other people's searches, and what is read off.

usage: python benchmarks/neighbours.py [--quick]

Digits against digits, then the dimension of the digits by each estimator, beside scikit-dimension on the same images.
The sides run in turn, each after a warm-up, and the medians are compared. --quick takes fewer digits and turns.
"""

import argparse
import statistics
import time
import warnings

import torch
from dimensions import beside, in_turn

from course_utils import data, figures, runtime
from course_utils.manifold import local_pca, mle, nearest, two_nn

K = 20


def product(queries, points):
    return queries.flatten(1) @ points.flatten(1).T


def ours(queries, points):
    own = torch.arange(len(queries), device=points.device)
    return nearest(queries, points, K, own=own, progress=False).distances


def cdist(queries, points):
    parts = [torch.cdist(part, points.flatten(1)) for part in queries.flatten(1).split(250)]
    return torch.cat([part.topk(K + 1, dim=1, largest=False).values[:, 1:] for part in parts])


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


def exact(queries, points):
    """The distances in float64, from the differences themselves."""
    queries, points = queries.flatten(1).double(), points.flatten(1).double()
    sorted_ = [(points - query).norm(dim=1).topk(K + 1, largest=False).values[1:] for query in queries]
    return torch.stack(sorted_)


def search(queries, points, turns):
    sides = {}
    for name, side in SIDES.items():
        try:
            side(queries[:64], points[:200])
            sides[name] = lambda side=side: side(queries, points)
        except ImportError as missing:
            print(f"{missing}: for the comparison, pip install faiss-cpu scikit-learn")
    taken, results = in_turn(sides, turns)
    truth, rows = exact(queries[:50], points), []
    for name, each in taken.items():
        off = "-" if name == "bare product" else f"{(results[name][:50].to(truth) / truth - 1).abs().max():.0e}"
        rows.append([name, f"{statistics.median(each):.2f}", beside(each, taken["bare product"]), off])
    print(f"{len(queries):,} digits against {len(points):,}, {K} neighbours, medians of {turns}; goal for nearest: 1.5")
    print(figures.Table(["", "seconds", "beside the product", "largest error, relative"], rows), end="\n\n")


def seconds(estimate):
    start = time.perf_counter()
    value = float(estimate())
    return value, time.perf_counter() - start


def dimension(points):
    """Every estimator on the same digits among themselves, and scikit-dimension's."""
    found = nearest(points, points, K, own=torch.arange(len(points), device=points.device), progress=False)
    estimates = {
        f"mle, k = {K}": lambda: mle(found.distances),
        "two_nn": lambda: two_nn(found.distances),
        "local_pca, fraction 0.95, 1,000 queries": lambda: local_pca(points[:1000], points, found.rows[:1000]),
    }
    rows, theirs = [], by_skdim(points, found)
    for (name, estimate), other in zip(estimates.items(), theirs or [None] * 3, strict=True):
        value, taken = seconds(estimate)
        cells = ["-", "-"]
        if other:
            their_value, their_taken = seconds(other)
            cells = [f"{their_value:.4f}", f"{their_taken:.2f}"]
        rows.append([name, f"{value:.4f}", f"{1000 * taken:.1f}", *cells])
    print(f"{len(points):,} digits among themselves; ours in float32, after the search")
    print(figures.Table(["", "ours", "ms", "scikit-dimension", "its seconds"], rows), end="\n\n")


def by_skdim(points, found):
    """The same three estimates, or None without scikit-dimension."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from skdim.id import MLE, TwoNN, lPCA
        except ImportError as missing:
            return print(f"{missing}: for the comparison, pip install scikit-dimension")
    flat = points.flatten(1).double().cpu().numpy()

    def pca():
        near = torch.cat([torch.arange(1000)[:, None], found.rows[:1000].cpu()], 1).numpy()
        return sum(lPCA(ver="ratio", alphaRatio=0.95).fit(flat[rows]).dimension_ for rows in near) / len(near)

    return [
        lambda: MLE().fit(flat, n_neighbors=K, comb="mle").dimension_,
        lambda: TwoNN().fit(flat).dimension_,
        pca,
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer digits and turns: under a minute on two cores")
    options = parser.parse_args()
    points = data.mnist(runtime.device()).train.images[: 20_000 if options.quick else None]
    print(f"on {points.device}, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    search(points[: 1000 if options.quick else 4000], points, 1 if options.quick else 3)
    dimension(points[: 2000 if options.quick else 10_000])


if __name__ == "__main__":
    main()
