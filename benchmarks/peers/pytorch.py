"""PyTorch: the usual loop, with the fused Adam; prediction through a frozen trace."""

from __future__ import annotations

import torch

from benchmarks.peers import Array, initial_weights


class Model:
    """See `benchmarks.peers.Model`."""

    def __init__(self, widths: list[int], batch_size: int, threads: int) -> None:
        torch.set_num_threads(threads)
        self.widths, self.batch_size = widths, batch_size

    def start(self, X: Array, y: Array, seed: int) -> None:
        torch.manual_seed(seed)
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        parts: list[torch.nn.Module] = []
        for kernel, bias in initial_weights(self.widths, seed):
            layer = torch.nn.Linear(*kernel.shape)
            layer.load_state_dict(
                {"weight": torch.from_numpy(kernel.T.copy()), "bias": torch.from_numpy(bias)}
            )
            parts += [layer, torch.nn.ReLU()]
        self.network = torch.nn.Sequential(*parts[:-1])  # logits
        self.optimizer = torch.optim.Adam(self.network.parameters(), eps=1e-7, fused=True)
        self.traced: torch.jit.ScriptModule | None = None

    def train(self, epochs: int) -> None:
        self.traced = None
        for _ in range(epochs):
            for batch in torch.randperm(len(self.X)).split(self.batch_size):
                self.optimizer.zero_grad(set_to_none=True)
                logits = self.network(self.X[batch])
                torch.nn.functional.cross_entropy(logits, self.y[batch]).backward()
                self.optimizer.step()

    def predict(self, X: Array) -> Array:
        with torch.inference_mode():
            rows = torch.from_numpy(X)
            if self.traced is None:  # a third faster on one row than calling the module
                module = torch.nn.Sequential(self.network, torch.nn.Softmax(dim=1)).eval()
                self.traced = torch.jit.freeze(torch.jit.trace(module, rows))
            return self.traced(rows).numpy()
