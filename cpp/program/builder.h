// Writes a program. Layers, losses and optimizers reach it through `apply`; gradient rules through the
// short names below. Equal operations on equal inputs are emitted once.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "program/program.h"

namespace ganglion {

class Builder {
 public:
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

  // Gradient of sum(output * seed) with respect to each of `wrt`; a seed of -1 is ones. Zeros where output does
  // not depend on it.
  std::vector<int> gradient(int output, const std::vector<int>& wrt, int seed = -1);

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

  int add_value(Value value);
  int add_stored(Value value);

  bool backward_ = false;  // while `gradient` writes
  bool updating_ = false;  // an operation of the update section was written
  Program program_;
  std::map<std::tuple<std::string, std::vector<int>, Attributes, Section>, std::vector<int>> emitted_;
};

Attributes shape_attributes(const Shape& shape);

}  // namespace ganglion
