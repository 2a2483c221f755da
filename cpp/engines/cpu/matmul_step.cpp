#include <algorithm>

#include "engines/cpu/epilogue.h"
#include "engines/cpu/step.h"

namespace ganglion {

namespace {

// Multiplications of one chunk of small products.
constexpr int64_t kGroupedProducts = 100'000;

// A product, or a batch of them, and the expression applied to each block of it.
template <class T>
class MatmulStep : public Step<T> {
 public:
  explicit MatmulStep(const StepSource<T>& source)
      : source_(source),
        kernels_(kernels<T>()),
        transpose_a_(attribute_int(source.operation, "transpose_a") != 0),
        transpose_b_(attribute_int(source.operation, "transpose_b") != 0),
        product_value_(place_of_product(source.program, source.operation)),
        epilogue_(make_epilogue(source)) {}

  void bind(int64_t rows) override {
    const Shape& a = source_.shape(source_.input(0));
    const Shape& b = source_.shape(source_.input(1));
    const Shape& c = source_.shape(source_.output());
    is_batch_ = b.rank() > 2;
    const int64_t n = c.extent(c.rank() - 1, rows);
    const int64_t k = a.extent(transpose_a_ ? a.rank() - 2 : a.rank() - 1, rows);
    const int64_t m = is_batch_ ? c.extent(c.rank() - 2, rows) : c.size(rows) / n;
    const int64_t a_columns = a.extent(a.rank() - 1, rows), b_columns = b.extent(b.rank() - 1, rows);

    product_ = {m,
                n,
                k,
                source_.at(source_.input(0)),
                sample_stride(source_.input(0), a_columns),
                1,
                source_.at(source_.input(1)),
                b_columns,
                1,
                product_value_ < 0 ? nullptr : source_.at(product_value_),
                sample_stride(product_value_, n),
                false,
                source_.memory.is_far(source_.input(0))};
    if (transpose_a_) std::swap(product_.a_row, product_.a_column);
    if (transpose_b_) std::swap(product_.b_row, product_.b_column);
    batch_ = is_batch_ ? c.size(rows) / (m * n) : 1;
    sample_ = (is_batch_ ? batch_ : m) / rows;
    plan_ = kernels_.matmul_plan(product_);
    // Small products of a batch share a chunk.
    const int64_t work = std::max<int64_t>(1, m * n * k);
    group_ = plan_.blocks > 1 ? 1 : std::min(batch_, std::max<int64_t>(1, kGroupedProducts / work));
    if (epilogue_) epilogue_->bind(rows, source_.memory);
    require_scratch(plan_);
  }

  void readdress(int64_t rows) override {
    const int64_t a_row = sample_stride(source_.input(0), product_.k);
    if (a_row != product_.a_row || sample_stride(product_value_, product_.n) != product_.c_row) return bind(rows);
    product_.a = source_.at(source_.input(0));
    product_.b = source_.at(source_.input(1));
    if (product_value_ >= 0) product_.c = source_.at(product_value_);
    if (!epilogue_) return;
    epilogue_->readdress(rows, source_.memory);
    require_scratch(plan_);
  }

  int64_t chunks(int) const override { return chunk_count(batch_, group_) * plan_.blocks; }

  void run(int, int64_t chunk, int thread, const RunKey& key) override {
    const int64_t first = chunk / plan_.blocks * group_;
    for (int64_t index = first; index < std::min(first + group_, batch_); ++index) {
      run_block(product_, plan_, index, 0, chunk % plan_.blocks, thread, {}, key);
    }
  }

  void bind_range(int64_t fewest) override {
    if (is_batch_) return;
    for (int64_t more = 0; more < 2; ++more) {
      Matmul<T> part = product_;
      part.m = (fewest + more) * sample_;
      range_plans_[more] = kernels_.matmul_plan(part);
      require_scratch(range_plans_[more]);
    }
    range_rows_ = fewest * sample_;
  }

  void run_range(const Range& range, const RunKey& key) override {
    Matmul<T> part = product_;
    part.a += source_.shift(source_.input(0), range);
    part.b += source_.shift(source_.input(1), range);
    if (product_value_ >= 0) part.c += source_.shift(product_value_, range);
    const auto [begin, end, thread] = range;
    if (is_batch_) {
      for (int64_t index = begin * sample_; index < end * sample_; ++index) {
        for (int64_t block = 0; block < plan_.blocks; ++block)
          run_block(part, plan_, index, 0, block, thread, range, key);
      }
      return;
    }
    const int64_t row = begin * sample_;
    part.m = (end - begin) * sample_;
    part.a += row * part.a_row;
    part.c += row * part.c_row;
    const auto announced = source_.memory.announced(source_.input(0));
    if (begin < announced.count) {
      part.later = announced.rows + begin;
      part.later_rows = std::min(end, announced.count) - begin;
    }
    const MatmulPlan& plan = range_plans_[part.m != range_rows_];
    for (int64_t block = 0; block < plan.blocks; ++block) run_block(part, plan, 0, row, block, thread, range, key);
  }

 private:
  // Elements between the rows of a value, which are `contiguous` unless it stands in memory from outside.
  int64_t sample_stride(int value, int64_t contiguous) const {
    const int64_t stride = value < 0 ? 0 : source_.memory.sample_stride(value);
    return stride > 0 ? stride : contiguous;
  }

  void require_scratch(const MatmulPlan& plan) {
    const int64_t of_epilogue = epilogue_ ? epilogue_->scratch_elements() : 0;
    source_.memory.require_scratch(product_size(plan) + std::max(plan.thread_workspace, of_epilogue));
  }

  // Elements of a block of the product that has no place but the scratch memory.
  int64_t product_size(const MatmulPlan& plan) const {
    return product_value_ < 0 ? padded_size(plan.block_rows * plan.block_columns) : 0;
  }

  // Block of product `index` of the batch, whose first row is row `first_row` of its value.
  void run_block(Matmul<T> product, const MatmulPlan& plan, int64_t index, int64_t first_row, int64_t block, int thread,
                 const Range& range, const RunKey& key) {
    product.a += index * product.m * product.k;
    product.b += index * product.k * product.n;
    product.c += index * product.m * product.n;
    const int64_t above = index * product.m + first_row;
    const int64_t row = block / plan.column_blocks * plan.block_rows;
    const int64_t column = block % plan.column_blocks * plan.block_columns;
    T* const local = source_.memory.thread_scratch(thread);
    T* const scratch = local + product_size(plan);
    if (product_value_ < 0) {
      product.c_row = plan.block_columns;
      product.c = local - row * product.c_row - column;
    }
    kernels_.matmul_block(product, plan, block, scratch);
    if (!epilogue_) return;
    Block<T> done{above + row, above + std::min(row + plan.block_rows, product.m),
                  column,      std::min(column + plan.block_columns, product.n),
                  nullptr,     0,
                  range};
    if (product_value_ < 0) {
      done.first = local;
      done.first_row = product.c_row;
    }
    epilogue_->run_block(done, scratch, key);
  }

  StepSource<T> source_;
  const KernelTable<T>& kernels_;
  const bool transpose_a_, transpose_b_;
  const int product_value_;  // where the product is computed; -1: in scratch memory, a block at a time
  std::optional<ExpressionRunner<T>> epilogue_;
  Matmul<T> product_{};
  MatmulPlan plan_;
  bool is_batch_ = false;
  int64_t batch_ = 1, group_ = 1;  // products, and how many of them are one chunk
  int64_t sample_ = 1;             // rows of the product, or products of the batch
  MatmulPlan range_plans_[2];      // for ranges of `range_rows_` rows, and of a sample more
  int64_t range_rows_ = 0;
};

}  // namespace

template <class T>
StepPointer<T> make_matmul_step(const StepSource<T>& source) {
  return std::make_unique<MatmulStep<T>>(source);
}

template StepPointer<float> make_matmul_step(const StepSource<float>&);
template StepPointer<double> make_matmul_step(const StepSource<double>&);

}  // namespace ganglion
