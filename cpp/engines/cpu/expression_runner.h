// Runs an expression: compiled where that is possible, otherwise interpreted. Both give the same bits.
#pragma once

#include <vector>

#include "engines/cpu/expression_interpreter.h"
#include "engines/cpu/expression_loops.h"

namespace ganglion {

template <class T>
class ExpressionRunner {
 public:
  // operands and results are values of the program, one for each operand and each result of the expression. An
  // epilogue runs in blocks, any other expression over ranges.
  ExpressionRunner(const Program& program, const Expression& expression, const std::vector<int>& operands,
                   const std::vector<int>& results, bool in_blocks)
      : shape_(expression.shape),
        is_column_(in_blocks && expression.shape.dims.back() == 1),
        compiled_(program, expression, operands, results, in_blocks && !is_column_),
        interpreted_(program, expression, operands, results) {}

  void bind(int64_t rows, Memory<T>& memory) {
    elements_ = shape_.size(rows);
    is_compiled_ = compiled_.bind(rows, memory);
    if (!is_compiled_) interpreted_.bind(rows, memory);
  }
  void readdress(int64_t rows, Memory<T>& memory) {
    if (!(is_compiled_ ? compiled_.readdress(memory) : interpreted_.readdress(memory))) bind(rows, memory);
  }
  int64_t elements() const { return elements_; }
  int64_t scratch_elements() const {
    return is_compiled_ ? compiled_.scratch_elements() : interpreted_.scratch_elements();
  }

  // Elements [begin, end) in the flat order of the expression's shape.
  void run(int64_t begin, int64_t end, T* scratch, const RunKey& key, const Range& range = {}) const {
    if (!is_compiled_) return interpreted_.run(begin, end, scratch, key, range);
    run_compiled(begin, end, nullptr, scratch, key, range);
  }

  void run_block(const Block<T>& block, T* scratch, const RunKey& key) const {
    if (!is_compiled_) return interpreted_.run_block(block, scratch, key);
    if (is_column_) return run_compiled(block.row, block.row_end, block.first, scratch, key, block.range);
    compiled_.run(block, scratch, key);
  }

 private:
  // `first`: operand 0 of element `begin`, when it does not stand with its value.
  void run_compiled(int64_t begin, int64_t end, const T* first, T* scratch, const RunKey& key,
                    const Range& range) const {
    const int64_t columns = compiled_.row_elements();
    // The rest of a row, whole rows, the beginning of one.
    while (begin < end) {
      const int64_t row = begin / columns, column = begin % columns;
      const int64_t whole = column == 0 ? (end - begin) / columns : 0;
      const int64_t rows = whole > 0 ? whole : 1;
      const int64_t stop = whole > 0 ? columns : std::min(columns, column + end - begin);
      compiled_.run({row, row + rows, column, stop, first, columns, range}, scratch, key);
      const int64_t done = (row + rows - 1) * columns + stop - begin;
      begin += done;
      if (first) first += done;
    }
  }

  const Shape shape_;
  int64_t elements_ = 0;
  bool is_column_;  // rows of one element, which are better one row
  ExpressionLoops<T> compiled_;
  ExpressionInterpreter<T> interpreted_;
  bool is_compiled_ = false;
};

}  // namespace ganglion
