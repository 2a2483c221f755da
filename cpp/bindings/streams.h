// Samples that Python reads while the core works, in the place of an array.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <vector>

#include "core/shape.h"
#include "training/batches.h"

namespace ganglion {

// A stream whose methods `start` and `batch` a Python class defines. Called without the GIL, which is taken for them.
class BoundStream : public Stream {
 public:
  // `sample` is the shape of one.
  BoundStream(int64_t rows, const std::vector<int64_t>& sample, const pybind11::dtype& dtype);

  DataType type() const override { return type_; }
  void start(const uint32_t* order, int64_t batch_size) override;
  const void* batch(int64_t first, int64_t count) override;

  int64_t rows() const { return rows_; }
  const Shape& shape() const { return shape_; }
  const pybind11::dtype& dtype() const { return dtype_; }
  // Reads from this, which must outlive it.
  Source source() { return {*this, rows_, shape_.sample_size()}; }

 private:
  int64_t rows_;
  Shape shape_;
  pybind11::dtype dtype_;
  DataType type_;
};

void bind_streams(pybind11::module_& m);

}  // namespace ganglion
