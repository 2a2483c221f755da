// The passes between a written program and one that an engine runs.
#pragma once

#include <vector>

#include "program/program.h"

namespace ganglion {

// Drops what neither an output nor an assignment needs.
void eliminate_dead_operations(Program& program);

// Joins elementwise operations and assignments over one shape into expressions: one pass over memory each.
void fuse_expressions(Program& program);

// Splits an update of all weights into one of each, where nothing else needs the gradient.
void split_updates(Program& program);

// Lets a product apply the expression that follows it (bias, activation, ...) to each block while it is in the cache.
void fuse_epilogues(Program& program);

// The expression that joins elementwise operations and assignments, given in the order they were written. `wanted`
// tells which values the rest of the program reads; `inputs` and `outputs` are filled with the values of the joined
// operation.
Expression join_expression(const Program& program, const std::vector<const Operation*>& members,
                           const std::vector<char>& wanted, std::vector<int>* inputs, std::vector<int>* outputs);

// What an engine runs: it knows one elementwise operation, the expression, so that the single ones of a program that
// was not fused become expressions of one instruction, in the bodies of loops too.
Program with_expressions(Program program);

// Sorts the operations into stages: what may run at once (schedule.cpp).
void schedule(Program& program);

// Whether each sample of the results depends on that sample of the operands alone.
bool is_samplewise(const Program& program, const Operation& operation);

// Whether an operation can read or write a value whose samples are not contiguous but a fixed distance apart.
bool takes_apart(const Program& program, const Operation& operation, int value);

// Whether an operation looks at elements of the batch as it was read in.
bool reads_batch(const Program& program, const Operation& operation);

// Whether all results are single numbers.
bool is_scalar(const Program& program, const Operation& operation);

// Whether two operations of one stage may need each other's results: samplewise ones, sample by sample, and scalar
// ones. All others of a stage need nothing of it.
bool run_in_order(const Program& program, const Operation& a, const Operation& b);

// True for the kinds an expression can hold.
bool is_elementwise(const Operation& operation);

// True where an output of the operation is written to weights or state (a view of them is not written).
bool writes(const Program& program, const Operation& operation, int output);

// Whether an operation writes weights or state that another reads or writes.
bool writes_over(const Program& program, const Operation& writer, const Operation& other);

// Whether an operation writes weights or state that overlap what another reads without being the same elements.
bool writes_beside(const Program& program, const Operation& writer, const Operation& reader);

// Whether two operations must keep their order because one writes weights or state that the other touches.
bool conflict(const Program& program, const Operation& a, const Operation& b);

// Sets Value::producer from the operations as they stand.
void number_producers(Program& program);

}  // namespace ganglion
