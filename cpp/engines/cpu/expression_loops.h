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
  // For the same rows, when only addresses have changed; false when more has.
  bool readdress(const Memory<T>& memory);
  int64_t scratch_elements() const { return (static_cast<int64_t>(draws_.size()) + repeats_) * kTile; }
  int64_t row_elements() const { return columns_; }

  void run(const Block<T>& block, T* scratch, const RunKey& key) const;

 private:
  static constexpr int64_t kTile = 1024;  // elements made at a time, of what is not read as it lies
  static constexpr int64_t kVector = 16;  // rows of whole vectors need no joining to be fast

  struct Stream {
    T* data;
    int64_t sample_stride = 0;              // as the memory tells it
    std::vector<int64_t> strides;           // elements, of each axis
    int64_t local_sample;                   // see Memory
    int64_t row_step = 0, column_step = 0;  // the last two
  };

  Stream stream(int value, int64_t rows, const Memory<T>& memory) const;
  void join_axes(int64_t rows);
  int64_t group_offset(const Stream& stream, int64_t group) const;
  void draw(const Instruction& instruction, T* to, int64_t first, int64_t count, const RunKey& key) const;
  void set_streams(Rectangle* rectangle, int64_t row, int64_t column, int64_t columns, const Block<T>& block,
                   T* scratch, const RunKey& key) const;
  void run_joined(const Block<T>& block, T* scratch, const RunKey& key) const;
  // One number for each column, the same in every row.
  bool is_repeated(const Stream& operand) const {
    return extents_.size() == 2 && operand.row_step == 0 && operand.column_step == 1;
  }

  const Program& program_;
  Expression expression_;
  std::vector<int> operand_values_, result_values_;
  bool in_blocks_;
  std::vector<Instruction> draws_;  // that make random numbers
  const KernelTable<T>& kernels_;
  const Memory<T>* memory_ = nullptr;

  std::vector<int64_t> extents_;             // groups of rows..., rows, columns
  int64_t columns_ = 1, rows_in_group_ = 1;  // the last two
  bool has_groups_ = false;
  std::vector<Stream> operands_, results_;
  int repeats_ = 0;               // operands that are the same in every row
  bool is_one_row_ = false;       // whole rows can be joined
  std::vector<Access> accesses_;  // what the code was compiled for
  std::unique_ptr<CompiledExpression<T>> code_;
};

}  // namespace ganglion
