// Sequences of different lengths, read where they lie.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <vector>

#include "core/shape.h"
#include "training/batches.h"

namespace ganglion {

// Arrays (steps, *sample) of one dtype, contiguous, each with steps of its own. Keeps them alive.
class RaggedRows {
 public:
  RaggedRows(const pybind11::sequence& arrays, const std::vector<int64_t>& step_shape);

  // Some of its rows: a view.
  RaggedRows part(const pybind11::array_t<int64_t, pybind11::array::c_style>& rows) const;

  pybind11::array row(int64_t number) const;
  // Reads what this keeps alive, as samples of so many steps.
  Source source(int64_t steps) const;
  int64_t rows() const { return static_cast<int64_t>(addresses_.size()); }
  int64_t longest() const;
  pybind11::array_t<int64_t> lengths() const;
  const std::vector<int64_t>& step_shape() const { return step_shape_; }
  const pybind11::dtype& dtype() const { return dtype_; }

 private:
  std::vector<int64_t> step_shape_;
  int64_t step_size_ = 1;
  pybind11::dtype dtype_;
  DataType type_;
  std::vector<pybind11::array> arrays_;
  std::vector<const void*> addresses_;
  std::vector<int64_t> sizes_;
};

void bind_ragged_rows(pybind11::module_& m);

}  // namespace ganglion
