"""worker.py URL MODEL: reads digits in batches, under one of the permits, to the end of the queue."""

import os
import pickle
import sys
from typing import Any

import numpy as np
import sklearn.svm  # noqa: F401  what the model is made of: imported while it is being trained
import syncbridge
from syncbridge.exceptions import QueueShutDown


def main(url: str, model: str) -> None:
    bridge = syncbridge.connect(url, name=f"worker {os.getpid()}")
    images, answers, news = bridge.queue("images"), bridge.queue("answers"), bridge.queue("news")
    accelerator, hold = bridge.semaphore("accelerator"), bridge.event("hold")
    bridge.event("model-ready").wait()
    with open(model, "rb") as file:
        classifier = pickle.load(file)

    def tell(what: str, jobs: list[syncbridge.Delivery[Any]]) -> None:
        news.put({"what": what, "worker": os.getpid(), "ids": [job.value["id"] for job in jobs]})

    while True:
        try:
            batch = images.lease_many(32, linger=0.005)
        except QueueShutDown:
            break
        with batch as jobs:  # acknowledged at the end, given back on an exception
            if again := [job for job in jobs if job.attempt > 1]:
                tell("redelivered", again)
            with accelerator:
                if hold.wait(timeout=0):  # somebody wants to see a worker die with its hands full
                    tell("holding", list(jobs))
                    bridge.event("never").wait()
                digits = classifier.predict(np.stack([job.value["image"].ravel() for job in jobs]))
            answers.put_many(
                [{"id": job.value["id"], "digit": int(d)} for job, d in zip(jobs, digits, strict=True)]
            )
    bridge.close()


main(*sys.argv[1:])
