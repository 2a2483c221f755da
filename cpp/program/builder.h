// Writes a program. Layers, losses and optimizers reach it through `apply`; gradient rules through the
// short names below. Equal operations on equal inputs are emitted once.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "program/program.h"

namespace ganglion {

class Builder {
 public:
  Builder() = default;
  // Goes on with a program that was not finished.
  explicit Builder(Program program) : program_(std::move(program)) {}

  int input(const std::string& name, const Shape& shape);
  int parameter(const std::string& name, const Shape& shape, int64_t offset);
  int state(const std::string& name, const Shape& shape, int64_t offset);
  int scalar(const std::string& name);
  int constant(const std::vector<double>& values, const Shape& shape);
  int constant(double value) { return constant({value}, Shape{}); }

  // Appends an operation and returns its outputs. Raises Error on an unknown kind or inputs that do not fit.
  std::vector<int> apply(const std::string& kind, const std::vector<int>& inputs, const Attributes& attributes = {});
  // The first output of `apply`.
  int emit(const std::string& kind, const std::vector<int>& inputs, const Attributes& attributes = {}) {
    return apply(kind, inputs, attributes)[0];
  }

  // Appends a loop: `body` runs once for each step of `sequences` (n, steps, ...). It reads the carries, a step of each
  // sequence and what all steps share, as its inputs in this order; its outputs are the next carries and results.
  // `masked`: the last sequence says which steps happen, see Loop.
  // Returns the last carries, the results of all steps (n, steps, ...), and whatever else its gradient will need.
  std::vector<int> scan(const Program& body, const std::vector<int>& carries, const std::vector<int>& sequences,
                        const std::vector<int>& shared, bool reverse, bool masked);

  // Appends a call of a function from outside, which makes results of these shapes.
  std::vector<int> call(std::shared_ptr<const Foreign> function, const std::vector<int>& inputs,
                        const std::vector<Shape>& shapes);

  // Gradient of sum(output * seed) with respect to each of `wrt`; a seed of -1 is ones. Zeros where output does
  // not depend on it.
  std::vector<int> gradient(int output, const std::vector<int>& wrt, int seed = -1);
  // Of the sum over several outputs.
  std::vector<int> gradient(const std::vector<int>& outputs, const std::vector<int>& wrt,
                            const std::vector<int>& seeds);

  void output(const std::string& name, int value);

  // The finished program: dead operations dropped, and fused if asked.
  Program finish(bool fuse) const;

  Shape shape(int value) const { return program_.shape(value); }  // a copy: rules emit, which moves the values
  const Operation* producer(int value) const;
  const Program& program() const { return program_; }
  void check_value(int value, const char* place) const;
  // The number that a constant of one element holds.
  bool constant_number(int value, double* number) const;

  // Short names for gradient rules.
  int add(int a, int b) { return emit("add", {a, b}); }
  int multiply(int a, int b) { return emit("multiply", {a, b}); }
  int divide(int a, int b) { return emit("divide", {a, b}); }
  int reshape(int a, const Shape& shape);
  int broadcast_to(int a, const Shape& shape);
  // Sums what broadcasting repeated: the gradient of an operand of shape `shape`.
  int sum_to(int a, const Shape& shape);

  Section section = Section::gradient;
  std::string label;

 private:
  class Writing;

  const Operation& append(Operation operation, const std::vector<Shape>& shapes);  // of the outputs
  int add_value(Value value);
  int add_stored(Value value);

  bool backward_ = false;  // while `gradient` writes
  bool updating_ = false;  // an operation of the update section was written
  Program program_;
  std::map<std::tuple<std::string, std::vector<int>, Attributes, Section>, std::vector<int>> emitted_;
};

Attributes shape_attributes(const Shape& shape);

}  // namespace ganglion
