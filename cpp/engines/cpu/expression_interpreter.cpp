#include "engines/cpu/expression_interpreter.h"

#include <algorithm>
#include <cstring>

namespace ganglion {

namespace {

// Repeats the first `period` elements of a tile, which begins `phase` elements into the period.
template <class T>
void repeat(T* tile, const T* data, int64_t period, int64_t phase, int64_t count) {
  int64_t filled = std::min(period - phase, count);
  std::memcpy(tile, data + phase, static_cast<size_t>(filled) * sizeof(T));
  const int64_t rest = std::min(phase, count - filled);
  std::memcpy(tile + filled, data, static_cast<size_t>(rest) * sizeof(T));
  filled += rest;
  while (filled < count) {
    const int64_t more = std::min(filled / period * period, count - filled);
    std::memcpy(tile + filled, tile, static_cast<size_t>(more) * sizeof(T));
    filled += more;
  }
}

}  // namespace

template <class T>
ExpressionInterpreter<T>::ExpressionInterpreter(const Program& program, const Expression& expression,
                                                std::vector<int> operands, std::vector<int> results)
    : program_(program),
      expression_(expression),
      operand_values_(std::move(operands)),
      result_values_(std::move(results)),
      kernels_(kernels<T>()) {}

template <class T>
void ExpressionInterpreter<T>::bind(int64_t rows, Memory<T>& memory) {
  memory_ = &memory;
  elements_ = expression_.shape.size(rows);
  operands_.clear();
  for (int value : operand_values_) {
    Operand operand;
    operand.data = memory.at(value);
    operand.local_sample = memory.local_sample(value);
    operand.sample_stride = memory.sample_stride(value);
    operand.view = StridedView::broadcast(program_.shape(value), expression_.shape, rows, memory.sample_stride(value));
    if (!operand.view.contiguous()) operand.access = operand.view.single() ? Access::once : Access::every_tile;
    if (elements_ == 1) operand.access = Access::direct;
    operands_.push_back(std::move(operand));
  }
  // A tile of whole periods reads the same each time. The longest period decides.
  int64_t longest = 1;
  for (const Operand& operand : operands_) {
    if (operand.access == Access::every_tile && operand.view.period() <= kTile) {
      longest = std::max(longest, operand.view.period());
    }
  }
  tile_ = kTile / longest * longest;
  for (Operand& operand : operands_) {
    const int64_t period = operand.view.period();
    if (operand.access == Access::every_tile && period > 0 && tile_ % period == 0) operand.access = Access::once;
  }
  results_.clear();
  sample_ = elements_ / rows;
  for (int value : result_values_) {
    results_.push_back({memory.at(value), memory.local_sample(value), memory.sample_stride(value), false});
  }
  read_by_rows(rows);
  assign_tiles();
}

// Wide samples that stand apart need no copies.
template <class T>
void ExpressionInterpreter<T>::read_by_rows(int64_t rows) {
  const Shape& shape = expression_.shape;
  const auto is_apart = [](const auto& stream) { return stream.sample_stride > 0; };
  by_rows_ = shape.batched && shape.rank() == 2 && shape.dims[0] == 1 && sample_ >= kFewestColumns &&
             sample_ <= kTile &&
             (std::any_of(operands_.begin(), operands_.end(), is_apart) ||
              std::any_of(results_.begin(), results_.end(), is_apart));
  if (!by_rows_) return;
  for (size_t i = 0; i < operands_.size(); ++i) {
    Operand& operand = operands_[i];
    const std::vector<int64_t> strides =
        broadcast_strides(program_.shape(operand_values_[i]), shape, std::max<int64_t>(rows, 2), operand.sample_stride);
    operand.row_step = strides[0];
    // One number is a tile of it: for all rows, or for each.
    operand.access = strides[1] != 0 ? Access::direct : strides[0] == 0 ? Access::once : Access::every_tile;
  }
}

// The last instruction that reads a register; the number of instructions if it is stored at the end of a tile.
template <class T>
int ExpressionInterpreter<T>::last_use(int reg) const {
  const int count = static_cast<int>(expression_.instructions.size());
  for (size_t r = 0; r < results_.size(); ++r) {
    if (expression_.results[r] == reg && !results_[r].direct) return count;
  }
  for (int i = count; i-- > 0;) {
    const Instruction& instruction = expression_.instructions[static_cast<size_t>(i)];
    if (instruction.a == reg || instruction.b == reg || instruction.c == reg) return i;
  }
  return -1;
}

template <class T>
void ExpressionInterpreter<T>::assign_tiles() {
  const int count = static_cast<int>(expression_.instructions.size());
  result_of_.assign(static_cast<size_t>(count), -1);
  // An instruction writes straight to its result unless that would overwrite an operand somebody still reads.
  for (size_t r = 0; r < results_.size(); ++r) {
    const int instruction = expression_.results[r] - expression_.operands;
    if (instruction < 0 || (results_[r].sample_stride > 0 && !by_rows_) ||
        result_of_[static_cast<size_t>(instruction)] >= 0)
      continue;
    const bool safe = std::none_of(operands_.begin(), operands_.end(), [&](const Operand& operand) {
      return operand.data == results_[r].data && last_use(static_cast<int>(&operand - operands_.data())) > instruction;
    });
    if (!safe) continue;
    result_of_[static_cast<size_t>(instruction)] = static_cast<int>(r);
    results_[r].direct = true;
  }

  slots_ = 0;
  for (Operand& operand : operands_) {
    if (operand.access != Access::direct) operand.slot = static_cast<int>(slots_++);
  }
  std::vector<int> released;
  slots_of_.assign(static_cast<size_t>(count), -1);
  for (int i = 0; i < count; ++i) {
    // Tiles of registers read here for the last time are free to be written by this instruction.
    for (int earlier = 0; earlier < i; ++earlier) {
      int& slot = slots_of_[static_cast<size_t>(earlier)];
      if (slot >= 0 && last_use(expression_.operands + earlier) == i) released.push_back(slot);
    }
    if (result_of_[static_cast<size_t>(i)] >= 0) continue;
    if (released.empty()) {
      slots_of_[static_cast<size_t>(i)] = static_cast<int>(slots_++);
    } else {
      slots_of_[static_cast<size_t>(i)] = released.back();
      released.pop_back();
    }
  }
}

template <class T>
void ExpressionInterpreter<T>::fill(const Operand& operand, T* tile, int64_t begin, int64_t count,
                                    const Range& range) const {
  const int64_t period = operand.view.period();
  if (period > 0 && period < count) {
    repeat(tile, data(operand, range), period, begin % period, count);
  } else {
    operand.view.read(tile, data(operand, range), begin, count);
  }
}

template <class T>
void ExpressionInterpreter<T>::run(int64_t begin, int64_t end, T* scratch, const RunKey& key,
                                   const Range& range) const {
  if (by_rows_) return run_rows(begin, end, scratch, key, range);
  T* registers[kMaxRegisters];
  for (size_t i = 0; i < operands_.size(); ++i) {
    const Operand& operand = operands_[i];
    if (operand.access == Access::direct) continue;
    registers[i] = scratch + operand.slot * kTile;
    if (operand.access == Access::once) fill(operand, registers[i], begin, std::min(tile_, end - begin), range);
  }
  for (int64_t at = begin; at < end; at += tile_) {
    const int64_t count = std::min(tile_, end - at);
    for (size_t i = 0; i < operands_.size(); ++i) {
      const Operand& operand = operands_[i];
      if (operand.access == Access::direct) registers[i] = data(operand, range) + at;
      if (operand.access == Access::every_tile) fill(operand, registers[i], at, count, range);
    }
    execute(registers, at, count, scratch, key, range);
  }
}

template <class T>
void ExpressionInterpreter<T>::run_rows(int64_t begin, int64_t end, T* scratch, const RunKey& key,
                                        const Range& range) const {
  T* registers[kMaxRegisters];
  for (size_t i = 0; i < operands_.size(); ++i) {
    const Operand& operand = operands_[i];
    if (operand.access == Access::direct) continue;
    registers[i] = scratch + operand.slot * kTile;
    if (operand.access == Access::once) std::fill_n(registers[i], sample_, *data(operand, range));
  }
  for (int64_t at = begin; at < end;) {
    const int64_t row = at / sample_, column = at % sample_, count = std::min(end - at, sample_ - column);
    for (size_t i = 0; i < operands_.size(); ++i) {
      const Operand& operand = operands_[i];
      T* const first = data(operand, range) + row * operand.row_step;
      if (operand.access == Access::direct) registers[i] = first + column;
      if (operand.access == Access::every_tile) std::fill_n(registers[i], count, *first);
    }
    execute(registers, at, count, scratch, key, range);
    at += count;
  }
}

template <class T>
void ExpressionInterpreter<T>::run_block(const Block<T>& block, T* scratch, const RunKey& key) const {
  const int64_t width = expression_.shape.dims.back();
  if (block.column == 0 && block.column_end == width && !block.first) {
    run(block.row * width, block.row_end * width, scratch, key, block.range);
    return;
  }
  T* registers[kMaxRegisters];
  for (int64_t column = block.column; column < block.column_end; column += kTile) {
    const int64_t count = std::min(kTile, block.column_end - column);
    for (size_t i = 0; i < operands_.size(); ++i) {
      const Operand& operand = operands_[i];
      if (operand.access == Access::direct) continue;
      const bool same_row = operand.view.period() == width;
      registers[i] = same_row ? data(operand, block.range) + column : scratch + operand.slot * kTile;
      if (operand.view.single()) std::fill_n(registers[i], count, *data(operand, block.range));
    }
    for (int64_t row = block.row; row < block.row_end; ++row) {
      const int64_t at = row * width + column;
      for (size_t i = 0; i < operands_.size(); ++i) {
        const Operand& operand = operands_[i];
        if (operand.access == Access::direct) {
          registers[i] = data(operand, block.range) + (by_rows_ ? row * operand.row_step + column : at);
        } else if (!operand.view.single() && operand.view.period() != width) {
          operand.view.read(registers[i], data(operand, block.range), at, count);
        }
      }
      if (block.first) {
        registers[0] = const_cast<T*>(block.first + (row - block.row) * block.first_row + (column - block.column));
      }
      execute(registers, at, count, scratch, key, block.range);
    }
  }
}

// The instructions on elements [at, at + count), whose operands the first registers point to.
template <class T>
void ExpressionInterpreter<T>::execute(T** registers, int64_t at, int64_t count, T* scratch, const RunKey& key,
                                       const Range& range) const {
  const size_t operand_count = operands_.size();
  for (size_t i = 0; i < expression_.instructions.size(); ++i) {
    const Instruction& instruction = expression_.instructions[i];
    const int result = result_of_[i];
    T* out = scratch + slots_of_[i] * kTile;
    if (result >= 0) {
      const Result& written = results_[static_cast<size_t>(result)];
      out = data(written, range) + offset(written, at);
    }
    registers[operand_count + i] = out;
    if (instruction.opcode == Opcode::random_uniform) {
      kernels_.random_uniform(out, {key.seed, instruction.stream, key.step}, at, count);
    } else if (instruction.opcode == Opcode::random_normal) {
      kernels_.random_normal(out, {key.seed, instruction.stream, key.step}, at, count);
    } else {
      const auto read = [&](int reg) { return reg < 0 ? nullptr : registers[reg]; };
      kernels_.elementwise[static_cast<int>(instruction.opcode)](out, read(instruction.a), read(instruction.b),
                                                                 read(instruction.c), count);
    }
  }
  for (size_t r = 0; r < results_.size(); ++r) {
    if (results_[r].direct) continue;
    store(results_[r], registers[expression_.results[r]], at, count, range);
  }
}

template <class T>
int64_t ExpressionInterpreter<T>::offset(const Result& result, int64_t at) const {
  return result.sample_stride == 0 ? at : at / sample_ * result.sample_stride + at % sample_;
}

template <class T>
bool ExpressionInterpreter<T>::readdress(const Memory<T>& memory) {
  // Which operands stand where a result does decides what may be written directly.
  const auto shared = [&] {
    std::vector<char> pairs;
    for (const Result& result : results_) {
      for (const Operand& operand : operands_) pairs.push_back(operand.data == result.data);
    }
    return pairs;
  };
  const std::vector<char> before = shared();
  const auto update = [&](const std::vector<int>& values, auto& streams) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (memory.sample_stride(values[i]) != streams[i].sample_stride) return false;
      streams[i].data = const_cast<T*>(memory.at(values[i]));
    }
    return true;
  };
  return update(operand_values_, operands_) && update(result_values_, results_) && shared() == before;
}

template <class T>
void ExpressionInterpreter<T>::store(const Result& result, const T* from, int64_t at, int64_t count,
                                     const Range& range) const {
  T* const to = data(result, range);
  if (result.sample_stride == 0) {
    std::memmove(to + at, from, static_cast<size_t>(count) * sizeof(T));
    return;
  }
  for (int64_t done = 0; done < count;) {
    const int64_t sample = (at + done) / sample_, within = (at + done) % sample_;
    const int64_t part = std::min(count - done, sample_ - within);
    std::memmove(to + sample * result.sample_stride + within, from + done, static_cast<size_t>(part) * sizeof(T));
    done += part;
  }
}

template class ExpressionInterpreter<float>;
template class ExpressionInterpreter<double>;

}  // namespace ganglion
