// Runs an expression where it cannot be compiled, a tile at a time: each instruction is one kernel call over a tile
// that stays in the first cache, so memory is read and written once.
#pragma once

#include <vector>

#include "engines/cpu/expression_block.h"
#include "engines/cpu/memory.h"
#include "engines/cpu/strided_view.h"
#include "kernels/kernels.h"

namespace ganglion {

template <class T>
class ExpressionInterpreter {
 public:
  // operands and results are values of the program, one for each operand and each result of the expression.
  ExpressionInterpreter(const Program& program, const Expression& expression, std::vector<int> operands,
                        std::vector<int> results);

  void bind(int64_t rows, Memory<T>& memory);
  // For the same rows, when only addresses have changed; false when more has.
  bool readdress(const Memory<T>& memory);
  int64_t scratch_elements() const { return slots_ * kTile; }

  // Elements [begin, end) in the flat order of the expression's shape.
  void run(int64_t begin, int64_t end, T* scratch, const RunKey& key, const Range& range) const;

  // Rows are those of the expression's last axis.
  void run_block(const Block<T>& block, T* scratch, const RunKey& key) const;

 private:
  static constexpr int64_t kFewestColumns = 32;  // below, calls cost more than copies
  static constexpr int64_t kTile = 4096 / static_cast<int64_t>(sizeof(T));

  enum class Access { direct, once, every_tile };
  struct Operand {
    Access access = Access::direct;
    StridedView view{{}, {}};
    const T* data = nullptr;
    int64_t local_sample = 0;   // see Memory
    int64_t sample_stride = 0;  // as the memory tells it
    int64_t row_step = 0;       // elements from row to row of what is read row by row
    int slot = -1;              // tile it is read into, unless direct
  };
  struct Result {
    T* data = nullptr;
    int64_t local_sample = 0;
    int64_t sample_stride = 0;  // elements, 0 where samples are contiguous
    bool direct = false;        // its instruction writes there
  };

  int last_use(int reg) const;
  void read_by_rows(int64_t rows);
  void assign_tiles();
  void execute(T** registers, int64_t at, int64_t count, T* scratch, const RunKey& key, const Range& range) const;
  void run_rows(int64_t begin, int64_t end, T* scratch, const RunKey& key, const Range& range) const;
  int64_t offset(const Result& result, int64_t at) const;
  void store(const Result& result, const T* from, int64_t at, int64_t count, const Range& range) const;
  void fill(const Operand& operand, T* tile, int64_t begin, int64_t count, const Range& range) const;
  // Registers are written by instructions alone, and never where an operand is still read.
  template <class Stream>
  T* data(const Stream& stream, const Range& range) const {
    return const_cast<T*>(stream.data) + memory_->shift(stream.local_sample, range);
  }

  const Program& program_;
  Expression expression_;
  std::vector<int> operand_values_, result_values_;
  const KernelTable<T>& kernels_;
  const Memory<T>* memory_ = nullptr;

  int64_t elements_ = 0, sample_ = 0;
  bool by_rows_ = false;  // samples that stand apart are read and written where they are, one at a time
  int64_t tile_ = kTile;  // a multiple of the period where there is one
  int64_t slots_ = 0;
  std::vector<Operand> operands_;
  std::vector<Result> results_;
  std::vector<int> slots_of_;   // tile of each instruction, -1 where a result is written directly
  std::vector<int> result_of_;  // result an instruction writes directly, or -1
};

}  // namespace ganglion
