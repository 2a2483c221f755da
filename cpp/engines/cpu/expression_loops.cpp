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
  memory_ = &memory;
  operands_.clear();
  results_.clear();
  for (int value : operand_values_) operands_.push_back(stream(value, rows, memory));
  for (int value : result_values_) results_.push_back(stream(value, rows, memory));
  join_axes(rows);
  std::vector<Access> accesses;
  for (const Stream& operand : operands_) {
    accesses.push_back(operand.column_step != 0 || extents_.empty() ? Access::elements : Access::rows);
  }
  repeats_ = static_cast<int>(
      std::count_if(operands_.begin(), operands_.end(), [&](const Stream& s) { return is_repeated(s); }));
  // A row wider than a tile could not be repeated in it.
  is_one_row_ =
      extents_.size() == 2 && (draws_.empty() || columns_ <= kTile) &&
      (repeats_ == 0 || (columns_ % kVector != 0 && columns_ <= kTile)) &&
      std::all_of(operands_.begin(), operands_.end(),
                  [&](const Stream& operand) {
                    return operand.row_step == 0 || (operand.row_step == columns_ && operand.column_step == 1);
                  }) &&
      std::all_of(results_.begin(), results_.end(), [&](const Stream& result) { return result.row_step == columns_; });
  if (!code_ || accesses != accesses_) code_ = CompiledExpression<T>::make(expression_, accesses);
  accesses_ = std::move(accesses);
  return code_ != nullptr;
}

template <class T>
bool ExpressionLoops<T>::readdress(const Memory<T>& memory) {
  const auto update = [&](const std::vector<int>& values, std::vector<Stream>& streams) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (memory.sample_stride(values[i]) != streams[i].sample_stride) return false;
      streams[i].data = const_cast<T*>(memory.at(values[i]));
    }
    return true;
  };
  return update(operand_values_, operands_) && update(result_values_, results_);
}

// Strides as if a batch of one sample had more, so that code serves batches of any size.
template <class T>
auto ExpressionLoops<T>::stream(int value, int64_t rows, const Memory<T>& memory) const -> Stream {
  T* const data = const_cast<T*>(memory.at(value));
  const int64_t sample_stride = memory.sample_stride(value);
  return {data,
          sample_stride,
          broadcast_strides(program_.shape(value), expression_.shape, std::max<int64_t>(rows, 2), sample_stride),
          memory.local_sample(value),
          0,
          0};
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
    const bool next_is_row = in_blocks_ && at + 2 == extents_.size();
    if (at + 1 >= extents_.size() || next_is_row) continue;
    const bool joins = std::all_of(all.begin(), all.end(), [&](const std::vector<int64_t>* strides) {
      return (*strides)[at] == (*strides)[at + 1] * extents_[at + 1];
    });
    if (!joins) continue;
    extents_[at + 1] *= extents_[at];
    extents_.erase(extents_.begin() + axis);
    drop(axis);
  }
  // Samples of one element that stand apart are rows of one column: code reads columns one behind the other.
  const bool is_apart = std::any_of(all.begin(), all.end(), [](const std::vector<int64_t>* strides) {
    return !strides->empty() && strides->back() > 1;
  });
  if (is_apart) {
    extents_.push_back(1);
    for (std::vector<int64_t>* strides : all) strides->push_back(1);
  }
  columns_ = extents_.empty() ? 1 : extents_.back();
  rows_in_group_ = extents_.size() < 2 ? 1 : extents_[extents_.size() - 2];
  has_groups_ = extents_.size() > 2;
  for (std::vector<Stream>* streams : {&operands_, &results_}) {
    for (Stream& stream : *streams) {
      const size_t rank = stream.strides.size();
      if (rank > 0) stream.column_step = stream.strides[rank - 1];
      if (rank > 1) stream.row_step = stream.strides[rank - 2];
    }
  }
}

// Elements before the first row of a group.
template <class T>
int64_t ExpressionLoops<T>::group_offset(const Stream& stream, int64_t group) const {
  int64_t offset = 0;
  for (size_t axis = extents_.size() - 2; axis-- > 0;) {
    offset += group % extents_[axis] * stream.strides[axis];
    group /= extents_[axis];
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
      if (has_groups_) rows = std::min(rows, rows_in_group_ - row % rows_in_group_);
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
  const int64_t row_in_group = has_groups_ ? row % rows_in_group_ : row;
  Rectangle::Stream* next = rectangle->streams;
  const auto add = [&](const Stream& stream) {
    const T* data = stream.data + memory_->shift(stream.local_sample, block.range) + row_in_group * stream.row_step +
                    column * stream.column_step;
    if (has_groups_) data += group_offset(stream, row / rows_in_group_);
    *next++ = {data, stream.row_step * bytes};
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

// Rows one behind the other as a single one. Operands that are the same in each row are repeated in tiles.
template <class T>
void ExpressionLoops<T>::run_joined(const Block<T>& block, T* scratch, const RunKey& key) const {
  const bool in_tiles = repeats_ > 0 || !draws_.empty();
  const int64_t rows_in_block = block.row_end - block.row;
  const int64_t most = in_tiles ? std::min(rows_in_block, std::max<int64_t>(1, kTile / columns_)) : rows_in_block;
  T* const repeated = scratch + static_cast<int64_t>(draws_.size()) * kTile;
  T* tile = repeated;
  for (const Stream& operand : operands_) {
    if (!is_repeated(operand)) continue;
    std::copy_n(operand.data, columns_, tile);
    for (int64_t filled = columns_; filled < most * columns_; filled *= 2) {
      std::copy_n(tile, std::min(filled, most * columns_ - filled), tile + filled);
    }
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
