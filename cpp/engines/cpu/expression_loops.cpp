#include "engines/cpu/expression_loops.h"

#include <algorithm>

#include "engines/cpu/strided_view.h"

namespace ganglion {

template <class T>
ExpressionLoops<T>::ExpressionLoops(const Program& program, const Expression& expression, std::vector<int> operands,
                                    std::vector<int> results, bool in_blocks)
    : program_(program),
      expression_(expression),
      operand_values_(std::move(operands)),
      result_values_(std::move(results)),
      in_blocks_(in_blocks),
      kernels_(kernels<T>()) {
  for (const Instruction& instruction : expression_.instructions) {
    if (opcode_arity(instruction.opcode) == 0) draws_.push_back(instruction);
  }
}

template <class T>
bool ExpressionLoops<T>::bind(int64_t rows, Memory<T>& memory) {
  operands_.clear();
  results_.clear();
  for (int value : operand_values_) operands_.push_back(stream(value, rows, memory));
  for (int value : result_values_) results_.push_back(stream(value, rows, memory));
  join_axes(rows);
  std::vector<Access> accesses;
  for (const Stream& operand : operands_) {
    const bool every_element = operand.strides.empty() || operand.strides.back() != 0;
    accesses.push_back(every_element ? Access::elements : Access::rows);
  }
  // A row wider than a tile could not be repeated in it.
  repeats_ = static_cast<int>(
      std::count_if(operands_.begin(), operands_.end(), [&](const Stream& s) { return is_repeated(s); }));
  is_one_row_ = extents_.size() == 2 && columns_ % kVector != 0 && (columns_ <= kTile || repeats_ == 0) &&
                std::all_of(operands_.begin(), operands_.end(), [&](const Stream& operand) {
                  const int64_t step = row_step(operand);
                  return step == 0 || (step == columns_ && operand.strides.back() == 1);
                });
  if (!code_ || accesses != accesses_) code_ = CompiledExpression<T>::make(expression_, accesses);
  accesses_ = std::move(accesses);
  return code_ != nullptr;
}

// Strides as if a batch of one sample had more, so that code serves batches of any size.
template <class T>
auto ExpressionLoops<T>::stream(int value, int64_t rows, const Memory<T>& memory) const -> Stream {
  T* const data = const_cast<T*>(memory.at(value));
  return {data, broadcast_strides(program_.shape(value), expression_.shape, std::max<int64_t>(rows, 2))};
}

// Drops axes of one element, and joins neighbours that every operand walks through as if they were one.
template <class T>
void ExpressionLoops<T>::join_axes(int64_t rows) {
  const Shape& shape = expression_.shape;
  std::vector<std::vector<int64_t>*> all;
  for (Stream& operand : operands_) all.push_back(&operand.strides);
  for (Stream& result : results_) all.push_back(&result.strides);
  extents_.clear();
  for (int axis = 0; axis < shape.rank(); ++axis) extents_.push_back(shape.extent(axis, rows));
  const auto drop = [&](int axis) {
    for (std::vector<int64_t>* strides : all) strides->erase(strides->begin() + axis);
  };
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    const size_t at = static_cast<size_t>(axis);
    const bool is_row = in_blocks_ && axis == shape.rank() - 1;
    if (shape.extent(axis, 2) == 1 && !is_row) {
      drop(axis);
      extents_.erase(extents_.begin() + axis);
      continue;
    }
    const bool next_is_row = in_blocks_ && axis == shape.rank() - 2;
    if (at + 1 >= extents_.size() || next_is_row) continue;
    const bool joins = std::all_of(all.begin(), all.end(), [&](const std::vector<int64_t>* strides) {
      return (*strides)[at] == (*strides)[at + 1] * extents_[at + 1];
    });
    if (!joins) continue;
    extents_[at + 1] *= extents_[at];
    extents_.erase(extents_.begin() + axis);
    drop(axis);
  }
  columns_ = extents_.empty() ? 1 : extents_.back();
  rows_in_group_ = extents_.size() < 2 ? 1 : extents_[extents_.size() - 2];
}

template <class T>
int64_t ExpressionLoops<T>::Stream::offset(const std::vector<int64_t>& extents, int64_t group, int64_t row,
                                           int64_t column) const {
  const int rank = static_cast<int>(extents.size());
  int64_t offset = rank > 0 ? column * strides.back() : 0;
  if (rank > 1) offset += row * strides[static_cast<size_t>(rank - 2)];
  for (int axis = rank - 3; axis >= 0; --axis) {
    const size_t at = static_cast<size_t>(axis);
    offset += group % extents[at] * strides[at];
    group /= extents[at];
  }
  return offset;
}

template <class T>
void ExpressionLoops<T>::draw(const Instruction& instruction, T* to, int64_t first, int64_t count,
                              const RunKey& key) const {
  const auto kernel = instruction.opcode == Opcode::random_uniform ? kernels_.random_uniform : kernels_.random_normal;
  kernel(to, {key.seed, instruction.stream, key.step}, first, count);
}

template <class T>
void ExpressionLoops<T>::run(const Block<T>& block, T* scratch, const RunKey& key) const {
  const bool whole = block.column == 0 && block.column_end == columns_;
  if (whole && is_one_row_ && (!block.first || block.first_row == columns_)) return run_joined(block, scratch, key);
  // Random numbers are drawn into tiles: of whole rows where several fit.
  const int64_t most_columns = draws_.empty() ? columns_ : kTile;
  int64_t most_rows = block.row_end - block.row;
  if (!draws_.empty()) most_rows = whole ? std::max<int64_t>(1, kTile / columns_) : 1;
  Rectangle rectangle;
  for (int64_t column = block.column; column < block.column_end; column += most_columns) {
    const int64_t columns = std::min(most_columns, block.column_end - column);
    code_->set_columns(&rectangle, columns);
    int64_t rows = 0;
    for (int64_t row = block.row; row < block.row_end; row += rows) {
      rows = std::min(most_rows, block.row_end - row);
      if (extents_.size() > 2) rows = std::min(rows, rows_in_group_ - row % rows_in_group_);
      rectangle.rows = rows;
      set_streams(&rectangle, row, column, columns, block, scratch, key);
      code_->run(&rectangle);
    }
  }
}

template <class T>
void ExpressionLoops<T>::set_streams(Rectangle* rectangle, int64_t row, int64_t column, int64_t columns,
                                     const Block<T>& block, T* scratch, const RunKey& key) const {
  constexpr int64_t bytes = sizeof(T);
  const bool grouped = extents_.size() > 2;
  const int64_t group = grouped ? row / rows_in_group_ : 0;
  const int64_t row_in_group = grouped ? row % rows_in_group_ : row;
  Rectangle::Stream* next = rectangle->streams;
  const auto add = [&](const Stream& stream) {
    *next++ = {stream.data + stream.offset(extents_, group, row_in_group, column), row_step(stream) * bytes};
  };
  for (const Stream& operand : operands_) add(operand);
  if (block.first) {
    rectangle->streams[0] = {block.first + (row - block.row) * block.first_row + (column - block.column),
                             block.first_row * bytes};
  }
  for (const Instruction& instruction : draws_) {
    draw(instruction, scratch, row * columns_ + column, rectangle->rows * columns, key);
    *next++ = {scratch, columns * bytes};
    scratch += kTile;
  }
  for (const Stream& result : results_) add(result);
}

// Short rows, or those that do not fill their last vector, one behind the other as a single one. Operands that are the
// same in each row are repeated in tiles.
template <class T>
void ExpressionLoops<T>::run_joined(const Block<T>& block, T* scratch, const RunKey& key) const {
  const bool in_tiles = repeats_ > 0 || !draws_.empty();
  const int64_t rows_in_block = block.row_end - block.row;
  const int64_t most = in_tiles ? std::min(rows_in_block, std::max<int64_t>(1, kTile / columns_)) : rows_in_block;
  T* const repeated = scratch + static_cast<int64_t>(draws_.size()) * kTile;
  T* tile = repeated;
  for (const Stream& operand : operands_) {
    if (!is_repeated(operand)) continue;
    for (int64_t row = 0; row < most; ++row) std::copy_n(operand.data, columns_, tile + row * columns_);
    tile += kTile;
  }
  Rectangle rectangle;
  for (int64_t row = block.row; row < block.row_end; row += most) {
    const int64_t rows = std::min(most, block.row_end - row);
    rectangle.rows = rows;
    set_streams(&rectangle, row, 0, columns_, block, scratch, key);
    tile = repeated;
    for (size_t i = 0; i < operands_.size(); ++i) {
      if (!is_repeated(operands_[i])) continue;
      rectangle.streams[i].data = tile;
      tile += kTile;
    }
    rectangle.rows = 1;
    code_->set_columns(&rectangle, rows * columns_);
    code_->run(&rectangle);
  }
}

template class ExpressionLoops<float>;
template class ExpressionLoops<double>;

}  // namespace ganglion
