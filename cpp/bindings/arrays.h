// NumPy arrays, read where they lie.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/error.h"
#include "program/program.h"
#include "training/batches.h"

namespace ganglion {

// The inputs of a program, in their order, from a list of arrays of any real dtype and strides, SparseRows, RaggedRows
// or Streams, checked against the program's shapes. `rows` is how many samples the batched ones hold; all the same.
// Nothing is copied, so the list must outlive the sources. Raises TypeError and ValueError that begin with "[place]".
std::vector<Source> read_inputs(const char* place, const Program& program, const pybind11::sequence& arrays,
                                int64_t* rows);

// The type that a dtype names, whatever the order of its bytes; nothing for one that the core does not read.
std::optional<DataType> data_type(const pybind11::dtype& dtype);

// An array of any rank from 1 on, named in errors.
Source read_rows(const char* place, const std::string& name, pybind11::handle array);

// The shape of output `index` of a program for `rows` samples.
std::vector<pybind11::ssize_t> output_shape(const Program& program, size_t index, int64_t rows);

// "float32" of an array of that dtype.
std::string dtype_name(const pybind11::array& array);

// f(T{}) for the scalar that a dtype names.
template <class Function>
auto with_scalar(const char* place, const std::string& dtype, Function&& f) {
  if (dtype == "float32") return f(float{});
  check(dtype == "float64", "[", place, "] dtype must be 'float32' or 'float64', got '", dtype, "'");
  return f(double{});
}

// (None, 784) as Python writes it, from a shape of the program or of an array.
std::string shape_text(const pybind11::array& array);

}  // namespace ganglion
