"""The rival of bench.sh's recommender rows: implicit's ALS on the same pairs, threads and factors.
  implicit_peer.py dump 1m|10m|RATINGS.csv PAIRS        writes (user, item) pairs, two little-endian u32 each
  implicit_peer.py time PAIRS cg|cholesky FACTORS ITERATIONS
      prints as the example als_times: s/iteration (median), processor s/iteration, s for all top 100, peak MiB"""
import os, resource, sys, time
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # implicit brings its own threads
import numpy as np


def synthetic(pairs, users, items):
    """Distinct pairs, popularity of items ~ 1/(rank + 20)^0.9, activity of users ~ 1/(rank + 100)^0.7, shuffled."""
    rng = np.random.default_rng(7)
    user = rng.permutation((np.arange(users) + 100.0) ** -0.7)
    item = rng.permutation((np.arange(items) + 20.0) ** -0.9)
    keys = np.zeros(0, np.int64)
    while len(keys) < pairs:
        drawn = rng.choice(users, pairs // 2, p=user / user.sum()) * items
        keys = np.unique(np.concatenate([keys, drawn + rng.choice(items, pairs // 2, p=item / item.sum())]))
    keys = np.sort(rng.permutation(keys)[:pairs])
    return keys // items, keys % items


def dump(source, path):
    if source in ("1m", "10m"):
        users, items = synthetic(*{"1m": (10**6, 6040, 3700), "10m": (10**7, 100_000, 20_000)}[source])
    else:
        rows = np.loadtxt(source, delimiter=",", skiprows=1, usecols=(0, 1), dtype=np.int64)
        users, items = (np.unique(column, return_inverse=True)[1] for column in rows.T)
    np.stack([users, items], axis=1).astype("<u4").tofile(path)


def timed(path, solver, factors, iterations):
    import scipy.sparse as sparse
    from implicit.als import AlternatingLeastSquares

    pairs = np.fromfile(path, "<u4").reshape(-1, 2)
    matrix = sparse.csr_matrix((np.ones(len(pairs), np.float32), (pairs[:, 0], pairs[:, 1])))
    del pairs
    times = []
    model = AlternatingLeastSquares(factors=int(factors), regularization=0.1, alpha=5, iterations=int(iterations),
                                    use_cg=solver == "cg", num_threads=os.cpu_count(), random_state=1)
    processor = time.process_time()
    model.fit(matrix, show_progress=False, callback=lambda iteration, seconds, loss: times.append(seconds))
    processor = (time.process_time() - processor) / len(times)
    start = time.time()
    model.recommend(np.arange(matrix.shape[0]), matrix, N=100, filter_already_liked_items=True)
    took = time.time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{np.median(times):.5f} {processor:.5f} {took:.4f} {peak:.1f}")


if __name__ == "__main__":
    {"dump": dump, "time": timed}[sys.argv[1]](*sys.argv[2:])
