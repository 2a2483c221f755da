// How the products of a routing are cut. The matrices of a capsule are rows (k, i) of d numbers; a panel is a part of
// them, over all numbers: some input capsules in one of their dimensions or, where they are few, all of them in some.
// What the samples of a block have to do with a panel stays in the cache.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "engines/cpu/step.h"
#include "program/routing.h"

namespace ganglion {

constexpr int64_t kPanelInputs = 128, kPanelRows = 256, kBlockSamples = 64;

struct RoutingPanel {
  int64_t k, i;          // the first
  int64_t dims, inputs;  // how many
  int64_t columns() const { return dims * inputs; }
};

// Panels, those of the same input capsules next to one another.
inline std::vector<RoutingPanel> routing_panels(const RoutingSizes& sizes) {
  const int64_t chunks = chunk_count(sizes.inputs, kPanelInputs);
  const int64_t inputs = chunks == 1 ? sizes.inputs : padded_size(chunk_count(sizes.inputs, chunks));
  const int64_t dims = chunks == 1 ? std::clamp<int64_t>(kPanelRows / sizes.inputs, 1, sizes.input_dim) : 1;
  std::vector<RoutingPanel> panels;
  for (int64_t i = 0; i < sizes.inputs; i += inputs) {
    for (int64_t k = 0; k < sizes.input_dim; k += dims) {
      panels.push_back({k, i, std::min(dims, sizes.input_dim - k), std::min(inputs, sizes.inputs - i)});
    }
  }
  return panels;
}

// Products of a few sizes and the same strides, each with its plan.
template <class T>
class PlannedProducts {
 public:
  // Elements of scratch memory that any of them needs.
  int64_t workspace() const { return workspace_; }

  void clear() {
    plans_.clear();
    workspace_ = 0;
  }

  void prepare(const Matmul<T>& product) {
    if (find(product)) return;
    plans_.push_back({product.m, product.n, product.k, kernels_.matmul_plan(product)});
    workspace_ = std::max(workspace_, plans_.back().plan.thread_workspace);
  }

  void run(const Matmul<T>& product, T* scratch) const {
    const MatmulPlan& plan = *find(product);
    for (int64_t block = 0; block < plan.blocks; ++block) kernels_.matmul_block(product, plan, block, scratch);
  }

 private:
  struct Sized {
    int64_t m, n, k;
    MatmulPlan plan;
  };

  const MatmulPlan* find(const Matmul<T>& product) const {
    for (const Sized& sized : plans_) {
      if (sized.m == product.m && sized.n == product.n && sized.k == product.k) return &sized.plan;
    }
    return nullptr;
  }

  const KernelTable<T>& kernels_ = kernels<T>();
  std::vector<Sized> plans_;
  int64_t workspace_ = 0;
};

}  // namespace ganglion
