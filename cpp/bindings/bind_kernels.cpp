#include "bindings/bind_kernels.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "bindings/arrays.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/thread_pool.h"
#include "kernels/kernels.h"

namespace py = pybind11;

namespace ganglion {
namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;

// The values of an array that has the dtype T, lies contiguously and has `size` elements (-1: any).
template <class T>
const T* contiguous(const char* place, const py::array& array, py::ssize_t size = -1) {
  check(Array<T>::check_(array), "[", place, "] arrays must be contiguous, aligned and of one dtype");
  check(size < 0 || array.size() == size, "[", place, "] expected ", size, " elements, got ", array.size());
  return static_cast<const T*>(array.data());
}

template <class T>
Array<T> like(const py::array& array) {
  return Array<T>(std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim()));
}

py::array matmul(const py::array& a, const py::array& b, bool transpose_a, bool transpose_b, const py::object& into,
                 int threads, int repeats) {
  return with_scalar("matmul", dtype_name(a), [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    check(b.dtype().is(a.dtype()), "[matmul] both operands must have one dtype");
    check(a.ndim() == 2 && b.ndim() == 2, "[matmul] operands must be 2-D, got ", a.ndim(), "-D and ", b.ndim(), "-D");
    check(threads > 0 && threads <= kMaxThreads && repeats > 0, "[matmul] threads must be from 1 to ", kMaxThreads,
          " and repeats positive, got ", threads, " and ", repeats);
    const auto stride = [](const py::array& x, int axis) {
      return x.strides(axis) / static_cast<py::ssize_t>(sizeof(T));
    };
    const int a_rows = transpose_a ? 1 : 0, b_rows = transpose_b ? 1 : 0;
    Matmul<T> product{};
    product.m = a.shape(a_rows);
    product.k = a.shape(1 - a_rows);
    product.n = b.shape(1 - b_rows);
    check(b.shape(b_rows) == product.k, "[matmul] inner sizes differ: ", product.k, " against ", b.shape(b_rows));
    product.a = static_cast<const T*>(a.data());
    product.a_row = stride(a, a_rows);
    product.a_column = stride(a, 1 - a_rows);
    product.b = static_cast<const T*>(b.data());
    product.b_row = stride(b, b_rows);
    product.b_column = stride(b, 1 - b_rows);
    Array<T> c({product.m, product.n});
    if (!into.is_none()) {
      const auto given = into.cast<py::array>();
      const T* start = contiguous<T>("matmul", given, product.m * product.n);
      std::copy(start, start + product.m * product.n, c.mutable_data());
    }
    product.c = c.mutable_data();
    product.c_row = product.n;
    product.accumulate = !into.is_none();

    const KernelTable<T>& table = kernels<T>();
    const MatmulPlan plan = table.matmul_plan(product);
    const int64_t workspace = padded_size(plan.thread_workspace);
    Buffer<T> workspaces(workspace * threads);
    py::gil_scoped_release release;
    parallel(threads, [&](Team& team) {
      T* const own = workspaces.data() + workspace * team.thread();
      for (int repeat = 0; repeat < repeats; ++repeat) {
        for (int64_t block; (block = team.next(plan.blocks)) < plan.blocks;) {
          table.matmul_block(product, plan, block, own);
        }
        team.end_step();
      }
    });
    return std::move(c);
  });
}

py::array elementwise(const std::string& name, const py::args& arguments, int repeats) {
  int index = 0;
  while (index < kOpcodeCount && name != opcode_name(static_cast<Opcode>(index))) ++index;
  check(index < kOpcodeCount, "[elementwise] unknown opcode '", name, "'");
  const int arity = opcode_arity(static_cast<Opcode>(index));
  check(arity > 0 && static_cast<int>(arguments.size()) == arity, "[elementwise] ", name, " takes ", arity,
        " arrays, got ", arguments.size());
  check(repeats > 0, "[elementwise] repeats must be positive, got ", repeats);
  std::vector<py::array> arrays;
  for (const py::handle& argument : arguments) arrays.push_back(argument.cast<py::array>());
  const py::array& first = arrays[0];
  return with_scalar("elementwise", dtype_name(first), [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    const T* operands[3] = {};
    for (int i = 0; i < arity; ++i) {
      operands[i] = contiguous<T>("elementwise", arrays[static_cast<size_t>(i)], first.size());
    }
    Array<T> out = like<T>(first);
    T* const to = out.mutable_data();
    const auto kernel = kernels<T>().elementwise[index];
    for (int i = 0; i < repeats; ++i) kernel(to, operands[0], operands[1], operands[2], first.size());
    return std::move(out);
  });
}

enum class Distribution { uniform, normal };

template <Distribution distribution>
py::array random(uint64_t seed, uint32_t stream, uint64_t step, int64_t first, int64_t count,
                 const std::string& dtype) {
  check(first >= 0 && count >= 0, "[random] first and count must not be negative, got ", first, " and ", count);
  return with_scalar("random", dtype, [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    const KernelTable<T>& table = kernels<T>();
    Array<T> out(count);
    const auto kernel = distribution == Distribution::uniform ? table.random_uniform : table.random_normal;
    kernel(out.mutable_data(), {seed, stream, step}, first, count);
    return std::move(out);
  });
}

enum class Reduction { sum, max };

// Over the axes first ... last.
template <Reduction reduction>
py::array reduce(const py::array& x, int first, int last) {
  check(0 <= first && first <= last && last < x.ndim(), "[reduce] axes ", first, " to ", last, " of an array of rank ",
        x.ndim());
  return with_scalar("reduce", dtype_name(x), [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    const T* from = contiguous<T>("reduce", x);
    int64_t sizes[3] = {1, 1, 1};
    std::vector<py::ssize_t> shape;
    for (int axis = 0; axis < x.ndim(); ++axis) {
      sizes[axis < first ? 0 : axis <= last ? 1 : 2] *= x.shape(axis);
      if (axis < first || axis > last) shape.push_back(x.shape(axis));
    }
    const auto [outer, reduced, inner] = sizes;
    Array<T> out(shape);
    const auto kernel = reduction == Reduction::sum ? kernels<T>().reduce_sum : kernels<T>().reduce_max;
    kernel(out.mutable_data(), from, outer, reduced, inner, reduced * inner, inner);
    return std::move(out);
  });
}

// A kernel on rows, as a function of arrays that returns a tuple. `inputs` and `outputs` say what each array is: 'm' a
// matrix (rows, columns), as the first input, 'r' one number a row.
template <class Run>
void bind_rows(py::module_& m, const char* name, const std::string& inputs, const std::string& outputs, Run run) {
  m.def(name, [=](const py::args& arguments) {
    check(arguments.size() == inputs.size(), "[", name, "] takes ", inputs.size(), " arrays, got ", arguments.size());
    std::vector<py::array> arrays;
    for (const py::handle& argument : arguments) arrays.push_back(argument.cast<py::array>());
    const py::array& x = arrays[0];
    check(x.ndim() == 2 && x.shape(1) > 0, "[", name, "] the first array must be 2-D and have columns");
    return with_scalar(name, dtype_name(x), [&](auto scalar) -> py::tuple {
      using T = decltype(scalar);
      const T* in[3] = {};
      T* out[2] = {};
      py::tuple results(outputs.size());
      for (size_t i = 0; i < inputs.size(); ++i) {
        in[i] = contiguous<T>(name, arrays[i], inputs[i] == 'm' ? x.size() : x.shape(0));
      }
      for (size_t i = 0; i < outputs.size(); ++i) {
        Array<T> array = outputs[i] == 'm' ? Array<T>({x.shape(0), x.shape(1)}) : Array<T>(x.shape(0));
        out[i] = array.mutable_data();
        results[i] = array;
      }
      run(kernels<T>(), out, in, static_cast<int64_t>(x.shape(0)), static_cast<int64_t>(x.shape(1)));
      return results;
    });
  });
}

py::array gather(const py::object& source, const py::object& rows, int64_t first, int64_t count,
                 const std::string& dtype) {
  return with_scalar("gather", dtype, [&](auto scalar) -> py::array {
    using T = decltype(scalar);
    Source samples = read_rows("gather", "source", source);
    const int64_t* indices = nullptr;
    py::array array;
    if (!rows.is_none()) {
      array = rows.cast<py::array>();
      indices = contiguous<int64_t>("gather", array);
      count = array.size();
      for (int64_t i = 0; i < count; ++i) {
        check(0 <= indices[i] && indices[i] < samples.rows(), "[gather] row ", indices[i], " of ", samples.rows());
      }
    } else {
      check(0 <= first && 0 <= count && first + count <= samples.rows(), "[gather] rows ", first, " to ", first + count,
            " of ", samples.rows());
    }
    Array<T> out({count, samples.sample_size()});
    samples.gather(out.mutable_data(), indices, first, count);
    return std::move(out);
  });
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The best of some short runs that together take `seconds`; run returns what it did.
template <class Run>
double best_rate(const char* place, double seconds, Run run) {
  check(seconds > 0, "[", place, "] seconds must be positive, got ", seconds);
  py::gil_scoped_release release;
  const auto begin = std::chrono::steady_clock::now();
  double best = 0;
  do {
    const auto start = std::chrono::steady_clock::now();
    const double done = run();
    best = std::max(best, done / seconds_since(start));
  } while (seconds_since(begin) < seconds);
  return best;
}

double peak(double seconds, const std::string& dtype) {
  return with_scalar("peak", dtype, [&](auto scalar) {
    const auto& table = kernels<decltype(scalar)>();
    return best_rate("peak", seconds, [&] { return static_cast<double>(table.multiply_adds(100000)); });
  });
}

// Bytes read and written by an addition of arrays far larger than the caches.
double bandwidth(double seconds) {
  constexpr int64_t size = int64_t{1} << 24;
  Buffer<float> a(size), b(size), sum(size);
  const auto add = kernels<float>().elementwise[static_cast<int>(Opcode::add)];
  return best_rate("bandwidth", seconds, [&] {
    add(sum.data(), a.data(), b.data(), nullptr, size);
    return 3.0 * sizeof(float) * size;
  });
}

void bind_row_kernels(py::module_& m) {
  bind_rows(m, "argmax", "m", "r",
            [](auto& k, auto out, auto in, auto rows, auto columns) { k.argmax(out[0], in[0], rows, columns); });
  bind_rows(m, "softmax", "m", "m",
            [](auto& k, auto out, auto in, auto rows, auto columns) { k.softmax(out[0], in[0], rows, columns); });
  bind_rows(m, "log_softmax", "m", "m",
            [](auto& k, auto out, auto in, auto rows, auto columns) { k.log_softmax(out[0], in[0], rows, columns); });
  bind_rows(m, "softmax_gradient", "mm", "m", [](auto& k, auto out, auto in, auto rows, auto columns) {
    k.softmax_gradient(out[0], in[0], in[1], rows, columns);
  });
  bind_rows(m, "log_softmax_gradient", "mm", "m", [](auto& k, auto out, auto in, auto rows, auto columns) {
    k.log_softmax_gradient(out[0], in[0], in[1], rows, columns);
  });
  bind_rows(m, "sparse_crossentropy", "mr", "rm", [](auto& k, auto out, auto in, auto rows, auto columns) {
    k.sparse_crossentropy(out[0], out[1], in[0], in[1], rows, columns);
  });
  bind_rows(m, "crossentropy", "mm", "rm", [](auto& k, auto out, auto in, auto rows, auto columns) {
    k.crossentropy(out[0], out[1], in[0], in[1], rows, columns);
  });
  bind_rows(m, "sparse_crossentropy_gradient", "mrr", "m", [](auto& k, auto out, auto in, auto rows, auto columns) {
    k.sparse_crossentropy_gradient(out[0], in[0], in[1], in[2], rows, columns);
  });
  bind_rows(m, "crossentropy_gradient", "mmr", "m", [](auto& k, auto out, auto in, auto rows, auto columns) {
    k.crossentropy_gradient(out[0], in[0], in[1], in[2], rows, columns);
  });
}

}  // namespace

void bind_kernels(py::module_& m) {
  kernel_isa();  // a wrong GANGLION_ISA ends the import
  m.def("kernel_isa", kernel_isa);
  m.def("available_isas", available_isas);

  py::module_ kernels = m.def_submodule("kernels", "Kernels one by one, for tests and benchmarks.");
  kernels.def("matmul", matmul, py::arg("a"), py::arg("b"), py::arg("transpose_a") = false,
              py::arg("transpose_b") = false, py::arg("accumulate_into") = py::none(), py::kw_only(),
              py::arg("threads") = 1, py::arg("repeats") = 1);
  kernels.def("elementwise", elementwise, py::arg("name"), py::kw_only(), py::arg("repeats") = 1);
  const auto numbers = [&](const char* name, auto function) {
    kernels.def(name, function, py::arg("seed"), py::arg("stream"), py::arg("step"), py::arg("first"), py::arg("count"),
                py::arg("dtype") = "float32");
  };
  numbers("random_uniform", random<Distribution::uniform>);
  numbers("random_normal", random<Distribution::normal>);
  kernels.def("reduce_sum", reduce<Reduction::sum>, py::arg("x"), py::arg("first"), py::arg("last"));
  kernels.def("reduce_max", reduce<Reduction::max>, py::arg("x"), py::arg("first"), py::arg("last"));
  bind_row_kernels(kernels);
  kernels.def("gather", gather, py::arg("source"), py::arg("rows") = py::none(), py::arg("first") = 0,
              py::arg("count") = 0, py::arg("dtype") = "float32");
  kernels.def("peak", peak, py::arg("seconds") = 0.1, py::arg("dtype") = "float32");
  kernels.def("bandwidth", bandwidth, py::arg("seconds") = 0.5);
}

}  // namespace ganglion
