#include "bindings/bind_program.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings/foreign.h"
#include "core/error.h"
#include "program/builder.h"
#include "program/loop.h"
#include "program/rule.h"

namespace py = pybind11;

namespace ganglion {
namespace {

int64_t to_int(py::handle number, const std::string& what) {
  try {
    return number.cast<int64_t>();
  } catch (const py::cast_error&) {
    throw py::type_error("[Builder] " + what + " must be an integer, got " + std::string(py::repr(number)));
  }
}

// (None, 784): None is the batch, and stands first.
Shape shape_from(const py::sequence& dims) {
  Shape shape;
  for (size_t axis = 0; axis < py::len(dims); ++axis) {
    const py::object dim = dims[axis];
    check(!dim.is_none() || axis == 0, "[Builder] only the first dimension of a shape may be None");
    shape.batched = shape.batched || dim.is_none();
    shape.dims.push_back(dim.is_none() ? 1 : to_int(dim, "a dimension of a shape"));
  }
  return shape;
}

// The batch of a folded value, (None * 28, 32), reads as None too.
py::tuple shape_tuple(const Shape& shape) {
  py::tuple dims(shape.dims.size());
  for (size_t axis = 0; axis < shape.dims.size(); ++axis) {
    dims[axis] = axis == 0 && shape.batched ? py::object(py::none()) : py::object(py::int_(shape.dims[axis]));
  }
  return dims;
}

Attributes attributes_from(const py::dict& given) {
  Attributes attributes;
  for (const auto& [name, value] : given) {
    const std::string key = py::str(name);
    if (!py::isinstance<py::sequence>(value)) {
      attributes[key] = to_int(value, key);
      continue;
    }
    std::vector<int64_t> list;
    for (const py::handle& item : value) list.push_back(to_int(item, key));
    attributes[key] = list;
  }
  return attributes;
}

py::dict attributes_dict(const Attributes& attributes) {
  py::dict result;
  for (const auto& [name, value] : attributes) {
    std::visit([&, key = py::str(name)](const auto& held) { result[key] = py::cast(held); }, value);
  }
  return result;
}

int constant_from(Builder& builder, const py::array_t<double, py::array::c_style | py::array::forcecast>& array) {
  const Shape shape{false, {array.shape(), array.shape() + array.ndim()}};
  return builder.constant({array.data(), array.data() + array.size()}, shape);
}

py::object producer(const Builder& builder, int value) {
  builder.check_value(value, "producer");
  const Operation* operation = builder.producer(value);
  if (!operation) return py::none();
  return py::make_tuple(operation->kind, operation->inputs, attributes_dict(operation->attributes));
}

// A shape as operations take it: per sample, beginning with the multiple of the batch.
py::dict shape_dict(const Shape& shape) {
  py::dict result;
  result["shape"] = shape.dims;
  result["batched"] = shape.batched;
  return result;
}

const char* storage_name(Storage storage) {
  static const char* const names[] = {"arena", "input", "parameter", "state", "scalar", "constant"};
  return names[static_cast<int>(storage)];
}

py::object expression_dict(const Operation& operation) {
  const Expression& expression = operation.expression;
  if (operation.kind != "expression" && expression.instructions.empty()) return py::none();
  py::list instructions;
  for (const Instruction& i : expression.instructions) {
    instructions.append(py::make_tuple(opcode_name(i.opcode), i.a, i.b, i.c, i.stream));
  }
  py::dict result = shape_dict(expression.shape);
  result["operands"] = expression.operands;
  result["instructions"] = instructions;
  result["results"] = expression.results;
  return result;
}

py::object foreign_function(const Operation& operation) {
  const auto* const bound = dynamic_cast<const BoundForeign*>(operation.foreign.get());
  return bound ? bound->function() : py::none();
}

py::dict describe(const Program& program);

py::object loop_dict(const Operation& operation) {
  if (!operation.loop) return py::none();
  const Loop& loop = *operation.loop;
  py::dict result;
  result["body"] = describe(loop.body);
  result["steps"] = loop.steps;
  result["carries"] = loop.carries;
  result["sequences"] = loop.sequences;
  result["reverse"] = loop.reverse;
  result["masked"] = loop.masked;
  return result;
}

py::dict describe(const Program& program) {
  py::list values, operations, constants;
  for (const Value& value : program.values) {
    py::dict entry = shape_dict(value.shape);
    entry["storage"] = storage_name(value.storage);
    entry["offset"] = value.offset;
    entry["name"] = value.name;
    values.append(entry);
  }
  for (const Operation& operation : program.operations) {
    py::dict entry;
    entry["kind"] = operation.kind;
    entry["inputs"] = operation.inputs;
    entry["outputs"] = operation.outputs;
    entry["attributes"] = attributes_dict(operation.attributes);
    entry["section"] = operation.section == Section::gradient ? "gradient" : "update";
    entry["label"] = operation.label;
    entry["expression"] = expression_dict(operation);
    entry["loop"] = loop_dict(operation);
    entry["foreign"] = foreign_function(operation);
    operations.append(entry);
  }
  for (const std::vector<double>& constant : program.constants) {
    constants.append(py::array_t<double>(static_cast<py::ssize_t>(constant.size()), constant.data()));
  }
  py::dict result;
  result["values"] = values;
  result["operations"] = operations;
  result["constants"] = constants;
  result["inputs"] = program.inputs;
  result["scalars"] = program.scalars;
  result["outputs"] = program.outputs;
  return result;
}

using NamedShapes = std::vector<std::pair<std::string, py::tuple>>;

NamedShapes input_shapes(const Program& program) {
  NamedShapes shapes;
  for (int id : program.inputs) {
    shapes.emplace_back(program.values[static_cast<size_t>(id)].name, shape_tuple(program.shape(id)));
  }
  return shapes;
}

NamedShapes output_shapes(const Program& program) {
  NamedShapes shapes;
  for (const auto& [name, id] : program.outputs) shapes.emplace_back(name, shape_tuple(program.shape(id)));
  return shapes;
}

int64_t total_flops(const Program& program, int64_t rows) {
  int64_t total = 0;
  for (const Operation& operation : program.operations) total += operation_flops(program, operation, rows);
  return total;
}

int64_t total_bytes(const Program& program, int64_t rows, int64_t scalar_bytes) {
  int64_t total = 0;
  for (const Operation& operation : program.operations)
    total += operation_bytes(program, operation, rows, scalar_bytes);
  return total;
}

std::vector<std::string> operation_kinds() {
  std::vector<std::string> kinds;
  for (const auto& [kind, rule] : rule_table()) kinds.push_back(kind);
  return kinds;
}

Shape checked_shape(const Builder& builder, int value) {
  builder.check_value(value, "shape");
  return builder.shape(value);
}

}  // namespace

void bind_program(py::module_& m) {
  py::class_<Program>(m, "Program", "Operations over values, in the order in which they run.")
      .def_property_readonly("inputs", &input_shapes, "Name and shape of each input.")
      .def_property_readonly("outputs", &output_shapes, "Name and shape of each output.")
      .def_readonly("scalars", &Program::scalars, "Names of the numbers set at each run.")
      .def_readonly("parameters", &Program::parameters, "Elements of the flat buffer of weights it touches.")
      .def_readonly("states", &Program::states, "Elements of the flat buffer of optimizer state it touches.")
      .def("describe", &describe, "The whole program as plain Python.")
      .def("listing", &listing, py::arg("rows"), py::arg("scalar_bytes") = 4,
           py::arg("microseconds") = std::vector<double>{}, "One operation a line, for a batch of `rows`.")
      .def("flops", &total_flops, py::arg("rows"), "Floating point operations of one run.")
      .def("bytes", &total_bytes, py::arg("rows"), py::arg("scalar_bytes") = 4, "Bytes read and written by one run.");

  py::class_<BoundForeign, std::shared_ptr<BoundForeign>>(m, "Foreign",
                                                          "A function of Python that a program calls with arrays.")
      .def(
          py::init([](const std::string& name, const py::object& function, std::shared_ptr<BoundForeign> gradient) {
            return std::make_shared<BoundForeign>(name, function, std::move(gradient));
          }),
          py::arg("name"), py::arg("function"), py::arg("gradient") = py::none(),
          "function(arrays, shapes) returns a list of contiguous arrays, of these shapes and the dtype of the others;\n"
          "the gradient takes that of the result, the operands and the result.");

  py::class_<Builder>(m, "Builder", "Writes a program; values are numbered.")
      .def(py::init<>())
      .def(
          "input",
          [](Builder& b, const std::string& name, const py::sequence& shape) {
            return b.input(name, shape_from(shape));
          },
          py::arg("name"), py::arg("shape"))
      .def(
          "parameter",
          [](Builder& b, const std::string& name, const py::sequence& shape, int64_t offset) {
            return b.parameter(name, shape_from(shape), offset);
          },
          py::arg("name"), py::arg("shape"), py::arg("offset"))
      .def(
          "state",
          [](Builder& b, const std::string& name, const py::sequence& shape, int64_t offset) {
            return b.state(name, shape_from(shape), offset);
          },
          py::arg("name"), py::arg("shape"), py::arg("offset"))
      .def("scalar", &Builder::scalar, py::arg("name"))
      .def("constant", &constant_from, py::arg("array"))
      .def(
          "apply",
          [](Builder& b, const std::string& kind, const std::vector<int>& inputs, const py::dict& attributes) {
            return b.apply(kind, inputs, attributes_from(attributes));
          },
          py::arg("kind"), py::arg("inputs"), py::arg("attributes") = py::dict())
      .def(
          "scan",
          [](Builder& b, const Builder& body, const std::vector<int>& carries, const std::vector<int>& sequences,
             const std::vector<int>& shared, bool reverse,
             bool masked) { return b.scan(body.program(), carries, sequences, shared, reverse, masked); },
          py::arg("body"), py::arg("carries"), py::arg("sequences"), py::arg("shared"), py::arg("reverse"),
          py::arg("masked") = false)
      .def(
          "call",
          [](Builder& b, const std::shared_ptr<BoundForeign>& function, const std::vector<int>& inputs,
             const std::vector<int64_t>& shape, bool batched) {
            check(!batched || !shape.empty(), "[call] a batched shape needs a first dimension");
            return b.call(function, inputs, {Shape{batched, shape}})[0];
          },
          py::arg("function"), py::arg("inputs"), py::arg("shape"), py::arg("batched"))
      .def("gradient", py::overload_cast<int, const std::vector<int>&, int>(&Builder::gradient), py::arg("output"),
           py::arg("wrt"), py::arg("seed") = -1)
      .def(
          "shape", [](const Builder& b, int value) { return shape_tuple(checked_shape(b, value)); }, py::arg("value"))
      .def("producer", &producer, py::arg("value"))
      .def("output", &Builder::output, py::arg("name"), py::arg("value"))
      .def_readwrite("label", &Builder::label)
      .def_property(
          "section", [](const Builder& b) { return b.section == Section::gradient ? "gradient" : "update"; },
          [](Builder& b, const std::string& name) {
            check(name == "gradient" || name == "update", "[Builder] section must be 'gradient' or 'update', got '",
                  name, "'");
            b.section = name == "gradient" ? Section::gradient : Section::update;
          })
      .def("finish", &Builder::finish, py::arg("fuse") = true);

  m.def("operation_kinds", &operation_kinds, "Every kind of operation a program can hold before fusion.");
}

}  // namespace ganglion
