#include "bindings/foreign.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstring>

#include "bindings/arrays.h"
#include "core/error.h"

namespace py = pybind11;

namespace ganglion {
namespace {

// Without a copy where the memory has an owner, which the array keeps alive.
py::array read_only(const Foreign::Operand& operand, const py::dtype& dtype) {
  py::object base;
  if (operand.owner) {
    base = py::capsule(new std::shared_ptr<const void>(operand.owner),
                       [](void* held) { delete static_cast<std::shared_ptr<const void>*>(held); });
  }
  py::array array(dtype, operand.extents, operand.data, base);
  array.attr("setflags")(false);
  return array;
}

void take_results(const std::string& name, const py::list& made, const std::vector<Foreign::Result>& results,
                  const py::dtype& dtype) {
  check(made.size() == results.size(), "[call] ", name, " must return ", results.size(), " arrays, got ", made.size());
  for (size_t i = 0; i < results.size(); ++i) {
    const py::array array = py::reinterpret_borrow<py::array>(made[i]);
    check(py::isinstance<py::array>(made[i]) && array.dtype().equal(dtype) && (array.flags() & py::array::c_style) &&
              std::equal(results[i].extents.begin(), results[i].extents.end(), array.shape(),
                         array.shape() + array.ndim()),
          "[call] ", name, " must return contiguous arrays of dtype ", py::str(dtype).cast<std::string>());
    std::memcpy(results[i].data, array.data(), static_cast<size_t>(array.nbytes()));
  }
}

}  // namespace

BoundForeign::~BoundForeign() {
  const py::gil_scoped_acquire gil;
  function_ = py::object();
}

void BoundForeign::run(const std::vector<Operand>& operands, const std::vector<Result>& results, bool single) const {
  const py::gil_scoped_acquire gil;
  const py::dtype dtype(single ? "float32" : "float64");
  py::tuple arrays(operands.size()), shapes(results.size());
  for (size_t i = 0; i < operands.size(); ++i) arrays[i] = read_only(operands[i], dtype);
  for (size_t i = 0; i < results.size(); ++i) shapes[i] = py::tuple(py::cast(results[i].extents));
  take_results(name_, function_(arrays, shapes).cast<py::list>(), results, dtype);
  // The next operations write other numbers there.
  for (const py::handle array : arrays) {
    check(array.ref_count() == 1, "[call] ", name_,
          " kept an array that it was given, whose memory is used again: keep a copy of it");
  }
}

}  // namespace ganglion
