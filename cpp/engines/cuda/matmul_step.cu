#include "engines/cuda/product.h"

namespace ganglion::cuda {

namespace {

template <class T>
struct Matrices {
  const T* a_data;
  int64_t a_batch, a_row, a_column;
  const T* b_data;
  int64_t b_batch, b_row, b_column;
  bool a_along_k, b_along_k;

  GANGLION_DEVICE T a(int64_t batch, int64_t row, int64_t k) const {
    return a_data[batch * a_batch + row * a_row + k * a_column];
  }
  GANGLION_DEVICE T b(int64_t batch, int64_t k, int64_t column) const {
    return b_data[batch * b_batch + k * b_row + column * b_column];
  }
};

template <class T>
class MatmulStep : public Step<T> {
 public:
  explicit MatmulStep(const StepSource<T>& source) : source_(source), runner_(source.program, source.operation) {}

  void bind(int64_t rows) override {
    const Operation& operation = source_.operation;
    const Shape& a = source_.shape(source_.input(0));
    const Shape& b = source_.shape(source_.input(1));
    const Shape& c =
        operation.expression.instructions.empty() ? source_.shape(source_.output()) : operation.expression.shape;
    const bool transpose_a = attribute_int(operation, "transpose_a") != 0;
    const bool transpose_b = attribute_int(operation, "transpose_b") != 0;
    const bool is_batch = b.rank() > 2;
    const int64_t a_columns = a.extent(a.rank() - 1, rows), b_columns = b.extent(b.rank() - 1, rows);
    ProductSizes sizes;
    sizes.n = c.extent(c.rank() - 1, rows);
    sizes.k = a.extent(transpose_a ? a.rank() - 2 : a.rank() - 1, rows);
    sizes.m = is_batch ? c.extent(c.rank() - 2, rows) : c.size(rows) / sizes.n;
    sizes.batch = is_batch ? c.size(rows) / (sizes.m * sizes.n) : 1;
    sizes.result_row = sizes.n;
    sizes.result_batch = sizes.m * sizes.n;
    const int64_t apart = source_.memory.sample_stride(source_.input(0));
    matrices_ = {source_.at(source_.input(0)),
                 sizes.m * sizes.k,
                 apart > 0 ? apart : a_columns,
                 1,
                 source_.at(source_.input(1)),
                 sizes.k * sizes.n,
                 b_columns,
                 1,
                 !transpose_a,
                 transpose_b};
    if (transpose_a) std::swap(matrices_.a_row, matrices_.a_column);
    if (transpose_b) std::swap(matrices_.b_row, matrices_.b_column);
    runner_.bind(sizes, rows, source_.memory);
  }

  void enqueue(cudaStream_t stream) override { runner_.enqueue(stream, matrices_); }

 private:
  StepSource<T> source_;
  ProductRunner<T> runner_;
  Matrices<T> matrices_{};
};

}  // namespace

template <class T>
StepPointer<T> make_matmul_step(const StepSource<T>& source) {
  return std::make_unique<MatmulStep<T>>(source);
}

template StepPointer<float> make_matmul_step(const StepSource<float>&);
template StepPointer<double> make_matmul_step(const StepSource<double>&);

}  // namespace ganglion::cuda
