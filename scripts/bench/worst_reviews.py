"""Posts reviews that cost the most to score, eight at once, ten times a second:

    worst_reviews.py PORT SECONDS MOVIE,MOVIE,...

Prints how many were accepted; exit 1 if one was not.
"""
import json
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

port, seconds, movies = int(sys.argv[1]), float(sys.argv[2]), [int(movie) for movie in sys.argv[3].split(",")]


def post(n):
    body = json.dumps({"movie_id": movies[n % len(movies)], "content": "\N{SMILING FACE WITH HEART-SHAPED EYES}" * 10_000})
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/reviews", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status == 202


accepted = []
started = time.monotonic()
with ThreadPoolExecutor(8) as pool:
    while (elapsed := time.monotonic() - started) < seconds:
        accepted += pool.map(post, range(len(accepted), len(accepted) + 8))
        time.sleep(max(0, 0.1 - (time.monotonic() - started - elapsed)))
print(sum(accepted))
sys.exit(0 if all(accepted) else 1)
