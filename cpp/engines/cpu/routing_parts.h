// How the work of a routing is cut: some samples with some input capsules at a time, capsule by capsule and dimension
// by dimension of the inputs, so that what such a part reads again and again stays in the caches.
#pragma once

#include <algorithm>
#include <vector>

#include "engines/cpu/step.h"
#include "program/routing.h"

namespace ganglion {

constexpr int64_t kPartSamples = 32, kPartInputs = 128;

struct RoutingPart {
  int64_t sample, samples, i, inputs;  // the first ones, and how many
  int64_t size() const { return samples * inputs; }
};

// Input capsules of a part, nearly as many in each.
inline int64_t inputs_of_part(const RoutingSizes& sizes) {
  const int64_t parts = chunk_count(sizes.inputs, kPartInputs);
  return parts == 1 ? sizes.inputs : padded_size(chunk_count(sizes.inputs, parts));
}

// The numbers of some input capsules for each of a part's samples, from rows to rows some elements apart.
template <class T>
void copy_part(const RoutingPart& part, T* to, int64_t to_row, const T* from, int64_t from_row) {
  for (int64_t s = 0; s < part.samples; ++s) std::copy_n(from + s * from_row, part.inputs, to + s * to_row);
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

  // `product_of(samples, inputs)` for all parts of so many samples.
  template <class ProductOf>
  void prepare(const RoutingSizes& sizes, int64_t samples, const ProductOf& product_of) {
    const int64_t whole = inputs_of_part(sizes);
    for (int64_t some : {std::min(samples, kPartSamples), samples % kPartSamples}) {
      for (int64_t inputs : {whole, sizes.inputs % whole}) {
        if (some > 0 && inputs > 0) add(product_of(some, inputs));
      }
    }
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

  void add(const Matmul<T>& product) {
    if (find(product)) return;
    plans_.push_back({product.m, product.n, product.k, kernels_.matmul_plan(product)});
    workspace_ = std::max(workspace_, plans_.back().plan.thread_workspace);
  }

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
