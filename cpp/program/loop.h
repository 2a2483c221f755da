// A loop over the steps of sequences: recurrent layers, and whatever else carries something from step to step.
#pragma once

#include <vector>

#include "program/program.h"

namespace ganglion {

class Builder;

// What an operation "scan" runs at each step. Inputs of the body: the carries, a step of each sequence, then what all
// steps share; its outputs: the next carries, then results, of which the last may be there for the gradient alone.
struct Loop {
  Program body;
  int64_t steps = 0;
  int carries = 0, sequences = 0;
  bool reverse = false;  // the last step first
  // The last sequence is a mask (n, steps). Where it is 0 a step does not happen: the sample's carries stay as they
  // are, and its results are 0.
  bool masked = false;

  int results() const { return static_cast<int>(body.outputs.size()) - carries; }
  int shared() const { return static_cast<int>(body.inputs.size()) - carries - sequences; }
  int output(int index) const { return body.outputs[static_cast<size_t>(index)].second; }
};

// Shape (n, ...) of one step of a sequence (n, steps, ...).
Shape step_shape(const Shape& sequence);
Shape sequence_shape(const Shape& step, int64_t steps);

// Values of the body that the loop through its gradient will read, and that are no results yet: the residuals.
std::vector<int> find_residuals(const Loop& loop);

// The gradient rule of "scan".
std::vector<int> scan_gradient(Builder& builder, const Operation& operation, const std::vector<int>& d_outputs);

// The loop without the results and sequences that nobody reads; `operation` is cut accordingly. `needed`: for each of
// its outputs.
void prune_loop(Operation& operation, const std::vector<char>& needed);

}  // namespace ganglion
