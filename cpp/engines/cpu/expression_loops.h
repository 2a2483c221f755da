// Compiled code run over an expression's elements: the loops around its rectangles.
#pragma once

#include <memory>
#include <vector>

#include "engines/cpu/expression_block.h"
#include "engines/cpu/expression_compiler.h"
#include "engines/cpu/memory.h"
#include "kernels/kernels.h"

namespace ganglion {

template <class T>
class ExpressionLoops {
 public:
  // operands and results: values of the program. `in_blocks`: the rows are those of the shape's last axis;
  // otherwise axes are joined as far as operands allow, up to one long row.
  ExpressionLoops(const Program& program, const Expression& expression, std::vector<int> operands,
                  std::vector<int> results, bool in_blocks);

  // False when the expression cannot be compiled here.
  bool bind(int64_t rows, Memory<T>& memory);
  int64_t scratch_elements() const { return static_cast<int64_t>(draws_.size()) * kTile; }
  int64_t row_elements() const { return columns_; }

  void run(const Block<T>& block, T* scratch, const RunKey& key) const;

 private:
  static constexpr int64_t kTile = 1024;  // random numbers drawn at a time

  struct Stream {
    T* data;
    std::vector<int64_t> strides;  // elements, of each axis
    // Of the element at `column` of row `row` of group `group`.
    int64_t offset(const std::vector<int64_t>& extents, int64_t group, int64_t row, int64_t column) const;
  };

  Stream stream(int value, int64_t rows, const Memory<T>& memory) const;
  void join_axes(int64_t rows);
  void draw(const Instruction& instruction, T* to, int64_t first, int64_t count, const RunKey& key) const;
  void run_rows(Rectangle* rectangle, int64_t row, int64_t column, int64_t columns, const Block<T>& block, T* scratch,
                const RunKey& key) const;

  const Program& program_;
  Expression expression_;
  std::vector<int> operand_values_, result_values_;
  bool in_blocks_;
  std::vector<Instruction> draws_;  // that make random numbers
  const KernelTable<T>& kernels_;

  std::vector<int64_t> extents_;             // groups of rows..., rows, columns
  int64_t columns_ = 1, rows_in_group_ = 1;  // the last two
  std::vector<Stream> operands_, results_;
  std::vector<Access> accesses_;  // what the code was compiled for
  std::unique_ptr<CompiledExpression<T>> code_;
};

}  // namespace ganglion
