// What Python holds: the flat buffers and executables, with their scalar type chosen at run time.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "bindings/run_lock.h"
#include "core/buffer.h"
#include "engines/executable.h"

namespace ganglion {

class Store {
 public:
  Store(int64_t size, const std::string& dtype);

  int64_t size() const;
  const char* dtype() const;
  void* data();

 private:
  std::variant<Buffer<float>, Buffer<double>> buffer_;
};

// An executable with what it works on. Its methods are called with the GIL, and give it up while they run.
class BoundExecutable {
 public:
  // `capsule`: of the engine; None: the CPU.
  BoundExecutable(pybind11::object program, const std::string& dtype, pybind11::object parameters,
                  pybind11::object states, const pybind11::object& capsule);

  void reserve(int64_t rows);
  pybind11::list run(const pybind11::list& inputs, int64_t rows, const pybind11::dict& scalars, uint64_t seed,
                     uint64_t step, bool update);
  pybind11::object predict(const pybind11::list& inputs, int64_t batch_size, uint64_t seed, uint64_t step,
                           bool checked);
  std::vector<double> profile(bool enable);
  int64_t arena_bytes();

  const char* dtype() const;
  pybind11::object program_object() const { return program_object_; }
  const Program& program() const { return *program_; }
  RunLock& lock() { return lock_; }
  // Makes ready for batches of `rows`; within the lock.
  void prepare(int64_t rows);

  std::variant<std::unique_ptr<Executable<float>>, std::unique_ptr<Executable<double>>> engine;

 private:
  // These keep alive what the engine reads.
  pybind11::object program_object_, parameters_, states_;
  const Program* program_;
  RunLock lock_;
};

// A program's scalars, in its order, from a dict by name.
std::vector<pybind11::object> read_scalars(const char* place, const Program& program, const pybind11::dict& scalars);

// Answers a running loop without the GIL: calls `progress` unless it is None, and looks for signals. False with
// Python's error set when either raised.
bool poll_python(pybind11::handle progress, int64_t steps, double mean_loss);

// Raises the error that poll_python left.
void raise_pending();

void bind_executable(pybind11::module_& m);
void bind_trainer(pybind11::module_& m);

}  // namespace ganglion
