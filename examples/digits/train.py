"""train.py URL CSV MODEL: learns handwritten digits from half of the file, then says that the model is ready."""

import pickle
import sys

import numpy as np
import syncbridge
from sklearn.svm import SVC


def main(url: str, csv: str, model: str) -> None:
    table = np.loadtxt(csv, delimiter=",")
    half = len(table) // 2
    pixels, digits = table[:half, :-1], table[:half, -1].astype(int)
    classifier = SVC(gamma=0.001).fit(pixels, digits)
    with open(model, "wb") as file:
        pickle.dump(classifier, file)
    with syncbridge.connect(url, name="trainer") as bridge:
        bridge.event("model-ready").set()


main(*sys.argv[1:])
