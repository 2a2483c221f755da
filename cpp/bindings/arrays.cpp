#include "bindings/arrays.h"

#include <algorithm>

#include "bindings/ragged_rows.h"
#include "bindings/sparse_rows.h"
#include "bindings/streams.h"
#include "core/error.h"

namespace py = pybind11;

namespace ganglion {
namespace {

[[noreturn]] void refuse_dtype(const char* place, const std::string& name, const py::dtype& dtype, const char* why) {
  throw py::type_error(
      concatenate("[", place, "] input '", name, "' has dtype ", py::str(dtype).cast<std::string>(), ", ", why));
}

// A batched value of shape {k, ...} holds k rows of the array for each sample.
Source read_array(const char* place, const std::string& name, const Shape& shape, py::handle object) {
  if (py::isinstance<SparseRows>(object)) {
    const auto& matrix = object.cast<const SparseRows&>();
    check(shape == Shape{true, {1, matrix.columns()}}, "[", place, "] input '", name, "' has ", matrix.columns(),
          " columns, expected shape ", to_string(shape));
    return matrix.source();
  }
  if (py::isinstance<RaggedRows>(object)) {
    const auto& ragged = object.cast<const RaggedRows&>();
    const std::vector<int64_t>& step = ragged.step_shape();
    check(shape.batched && shape.dims[0] == 1 && shape.dims.size() == step.size() + 2 &&
              std::equal(step.begin(), step.end(), shape.dims.begin() + 2),
          "[", place, "] input '", name, "' has steps of shape ", to_string(Shape{false, step}), ", expected ",
          to_string(shape));
    return ragged.source(shape.dims[1]);
  }
  if (py::isinstance<BoundStream>(object)) {
    auto& stream = object.cast<BoundStream&>();
    check(shape == stream.shape(), "[", place, "] input '", name, "' has shape ", to_string(stream.shape()),
          ", expected ", to_string(shape));
    return stream.source();
  }
  if (!py::isinstance<py::array>(object)) {
    throw py::type_error(concatenate("[", place, "] input '", name, "' must be a NumPy array, got ",
                                     py::type::of(object).attr("__name__").cast<std::string>()));
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  const py::dtype dtype = array.dtype();
  const std::optional<DataType> type = data_type(dtype);
  if (!type) refuse_dtype(place, name, dtype, "but must hold booleans, integers or floats of at most 64 bits");
  const char order = dtype.byteorder();
  if (order != '=' && order != '|') refuse_dtype(place, name, dtype, "whose bytes are in the other order");

  const size_t rank = shape.dims.size();
  bool fits = static_cast<size_t>(array.ndim()) == rank;
  int64_t rows = 1;
  for (size_t axis = 0; fits && axis < rank; ++axis) {
    const int64_t extent = array.shape(static_cast<py::ssize_t>(axis));
    if (axis == 0 && shape.batched) {
      fits = extent % shape.dims[0] == 0;
      rows = extent / shape.dims[0];
    } else {
      fits = extent == shape.dims[axis];
    }
  }
  check(fits, "[", place, "] input '", name, "' has shape ", shape_text(array), ", expected ", to_string(shape));
  const int64_t row_stride = shape.batched ? array.strides(0) * shape.dims[0] : 0;
  return {array.data(),
          *type,
          shape.batched,
          rows,
          row_stride,
          shape.dims,
          std::vector<int64_t>(array.strides(), array.strides() + rank)};
}

}  // namespace

std::optional<DataType> data_type(const py::dtype& dtype) {
  const auto size = dtype.itemsize();
  switch (dtype.kind()) {
    case 'b':
      return DataType::boolean;
    case 'u':
      return size == 1 ? DataType::u8 : size == 2 ? DataType::u16 : size == 4 ? DataType::u32 : DataType::u64;
    case 'i':
      return size == 1 ? DataType::i8 : size == 2 ? DataType::i16 : size == 4 ? DataType::i32 : DataType::i64;
    case 'f':
      if (size == 2) return DataType::f16;
      if (size == 4) return DataType::f32;
      if (size == 8) return DataType::f64;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

std::string dtype_name(const py::array& array) { return py::str(array.dtype()); }

std::string shape_text(const py::array& array) {
  Shape shape;
  shape.dims.assign(array.shape(), array.shape() + array.ndim());
  return to_string(shape);
}

Source read_rows(const char* place, const std::string& name, py::handle object) {
  if (py::isinstance<RaggedRows>(object)) {
    const auto& ragged = object.cast<const RaggedRows&>();
    return ragged.source(ragged.longest());
  }
  Shape shape{true, {1}};
  if (py::isinstance<py::array>(object)) {
    const auto array = py::reinterpret_borrow<py::array>(object);
    for (py::ssize_t axis = 1; axis < array.ndim(); ++axis) shape.dims.push_back(array.shape(axis));
  }
  return read_array(place, name, shape, object);
}

std::vector<Source> read_inputs(const char* place, const Program& program, const py::sequence& arrays, int64_t* rows) {
  const size_t count = program.inputs.size();
  check(arrays.size() == count, "[", place, "] the program has ", count, " inputs, got ", arrays.size());
  std::vector<Source> sources;
  sources.reserve(count);
  const std::string* first_name = nullptr;
  *rows = 1;
  for (size_t index = 0; index < count; ++index) {
    const Value& value = program.values[static_cast<size_t>(program.inputs[index])];
    sources.push_back(read_array(place, value.name, value.shape, arrays[index]));
    if (!value.shape.batched) continue;
    const int64_t found = sources.back().rows();
    if (!first_name) *rows = found;
    check(found == *rows, "[", place, "] inputs '", first_name ? *first_name : value.name, "' and '", value.name,
          "' differ in length: ", *rows, " against ", found);
    if (!first_name) first_name = &value.name;
  }
  return sources;
}

std::vector<py::ssize_t> output_shape(const Program& program, size_t index, int64_t rows) {
  const Shape& shape = program.shape(program.outputs[index].second);
  std::vector<py::ssize_t> extents(shape.dims.begin(), shape.dims.end());
  if (shape.batched) extents[0] *= rows;
  return extents;
}

}  // namespace ganglion
